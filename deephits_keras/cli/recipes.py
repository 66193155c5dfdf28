"""`deephits recipes`: which systems can be trained by name."""

from __future__ import annotations

from typing import Any

import click

from deephits_keras.cli.common import (
    CommandGroup,
    json_option,
    print_json,
    print_table,
    print_wrapped,
)


@click.group(cls=CommandGroup)
def recipes() -> None:
    """List and show recipes: published systems for `train --recipe` and `compare`.

    \b
    Example:
      deephits recipes list
      deephits recipes show paper
    """


@recipes.command("list")
@json_option
def list_recipes(as_json: bool) -> None:
    """List every recipe with its fidelity: how close it is to the published system.

    exact: as published; adapted: the same parts with other inputs or another target;
    reconstructed: with parts that no public source documents.

    \b
    Example:
      deephits recipes list --json
    """
    from deephits_keras.recipes import recipes as installed

    found = installed().values()
    if as_json:
        print_json(list(found))
        return
    for recipe in found:
        click.echo(f"{recipe.name} ({recipe.fidelity})")
        print_wrapped(recipe.summary, indent=2)
        print_wrapped(f"{_modalities(recipe.modalities)}, {recipe.distribution}", indent=2)


def _if_set(name: str, value: object) -> dict[str, object]:
    return {name: value} if value else {}


def _modalities(modalities: object) -> str:
    return (
        ",".join(modalities)
        if isinstance(modalities, dict) and modalities
        else "every modality of the corpus"
    )


@recipes.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one recipe: its source, its known differences and all its settings.

    \b
    Example:
      deephits recipes show paper
    """
    from deephits_keras.recipes import get_recipe
    from deephits_keras.tuning.space import built_in_space, make_space

    recipe = get_recipe(name)
    if as_json:
        print_json(recipe)
        return
    click.echo(f"{recipe.name}: {recipe.summary}")
    click.echo(f"{recipe.source or 'no source'} ({recipe.fidelity}; {recipe.distribution})\n")
    for remark in recipe.remarks:
        click.echo(f"- {remark}")
    rows: list[tuple[str, str, Any]] = [
        (part, modality, encoder)
        for part, encoders in (("modalities", recipe.modalities), ("prefer", recipe.prefer))
        for modality, encoder in encoders.items()
    ]
    rows += [
        (f"{part}.{encoder}" if encoder else part, key, value)
        for part, encoder, values in (
            *(("encoders", encoder, values) for encoder, values in recipe.encoders.items()),
            ("fusion", "", recipe.fusion),
            ("training", "", recipe.training),
            ("estimator", "", recipe.estimator),
            ("training", "", _if_set("steps_per_epoch", recipe.steps_per_epoch)),
            ("task", "", _if_set("name", recipe.task)),
            ("search", "", {} if recipe.shallow else make_space(built_in_space(recipe))),
        )
        for key, value in values.items()
    ]
    print_table("Settings", ("part", "setting", "value"), rows, text_columns=3)
