"""`deephits encoders`: what is installed."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from deephits_keras.cli.common import json_option, print_json, print_table
from deephits_keras.errors import UserError


@click.group()
def encoders() -> None:
    """List and describe the installed encoders.

    \b
    Example:
      deephits encoders list
      deephits encoders show numeric
    """


@encoders.command("list")
@json_option
def list_encoders(as_json: bool) -> None:
    """List every encoder with its modality, origin and state.

    An encoder that can't be used is listed with the reason; the others work all the same.

    \b
    Example:
      deephits encoders list --json
    """
    from deephits_keras.registry import registry

    rows = []
    for registration in registry().registrations:
        row: dict[str, Any] = {
            "encoder": registration.name,
            "modality": None,
            "default": False,
            "distribution": registration.distribution,
            "distribution_version": registration.distribution_version,
            "target": registration.target,
            "state": "ok",
            "summary": "",
        }
        try:
            loaded = registry().load(registration.name)
            row |= {"modality": loaded.modality, "default": loaded.default}
            row["summary"] = loaded.summary
        except UserError as error:
            row["state"] = str(error)
        rows.append(row)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        origin = f"{row['distribution']} {row['distribution_version']}"
        mark = " (default)" if row["default"] else ""
        click.echo(f"{row['encoder']:<22} {row['modality'] or '?':<10} {origin}{mark}")
        click.echo(f"    {row['target']}")
        click.echo(f"    {row['summary'] if row['state'] == 'ok' else row['state']}")


@encoders.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one encoder: what it does, where it comes from, and its settings.

    \b
    Example:
      deephits encoders show mel_cnn
    """
    from deephits_keras.registry import registry

    registration = registry().find(name)
    loaded = registration.load()
    settings = [
        {
            "setting": field.name,
            "default": list(field.default) if isinstance(field.default, tuple) else field.default,
            "changes_features": field.metadata.get("changes_features", False),
            "choices": list(field.metadata.get("choices", ())),
            "help": field.metadata.get("help", ""),
        }
        for field in dataclasses.fields(loaded.Config)
    ]
    if as_json:
        print_json(
            {
                "encoder": name,
                "modality": loaded.modality,
                "version": loaded.version,
                "summary": loaded.summary,
                "target": registration.target,
                "distribution": registration.distribution,
                "distribution_version": registration.distribution_version,
                "settings": settings,
            }
        )
        return
    click.echo(f"{name} (modality {loaded.modality}, version {loaded.version})")
    click.echo(f"{registration.target}, {registration.origin}\n")
    click.echo(f"{(loaded.__doc__ or loaded.summary).strip()}\n")
    print_table(
        "Settings (* changes the extracted features)",
        ("option", "default", "what it is"),
        (
            (
                f"--{name.replace('_', '-')}-{str(s['setting']).replace('_', '-')}"
                + ("*" if s["changes_features"] else ""),
                _shown(s["default"]),
                s["help"] + (f" ({', '.join(s['choices'])})" if s["choices"] else ""),
            )
            for s in settings
        ),
        text_columns=3,
    )


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
