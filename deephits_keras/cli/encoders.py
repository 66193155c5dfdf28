"""`deephits encoders`: what is installed."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import click

from deephits_keras.cli.common import (
    CommandGroup,
    EncoderCommand,
    import_keras,
    json_option,
    print_json,
    print_table,
    print_wrapped,
)
from deephits_keras.cli.paths import PATH
from deephits_keras.encoders.inputs import inputs_of
from deephits_keras.encoders.registry import AnyEncoder, Registration, prepared_sample, registry
from deephits_keras.errors import UserError


@click.group(cls=CommandGroup)
def encoders() -> None:
    """List, show, check and create encoders.

    \b
    Example:
      deephits encoders list
      deephits encoders show numeric
      deephits encoders new birdsong
      deephits encoders check birdsong
    """


@encoders.command("list")
@json_option
def list_encoders(as_json: bool) -> None:
    """List every installed encoder with its modality, embedding size, package and licence.

    An encoder that can't be used is listed with the reason.

    \b
    Example:
      deephits encoders list --json
    """
    rows = [_describe(registration) for registration in registry().registrations]
    if as_json:
        print_json(rows)
        return
    for modality in sorted({str(row["modality"] or UNKNOWN) for row in rows}):
        click.echo(modality)
        for row in rows:
            if str(row["modality"] or UNKNOWN) == modality:
                _print_listed(row)


UNKNOWN = "(modality unknown)"
"""The heading of encoders that can't be imported."""


def _print_listed(row: dict[str, Any]) -> None:
    """Print one encoder in lines that fit any terminal, without breaking names."""
    click.echo(f"  {row['encoder']}" + (" (default)" if row["default"] else ""))
    origin = f"{row['distribution']} {row['distribution_version']}"
    if row["state"] == "ok":
        print_wrapped(row["summary"], indent=4)
        size = row["embedding_size"]
        first = "embedding size set when built" if size is None else f"embedding size {size}"
    else:
        click.echo(f"    can't be used: {row['state']}")
        first = row["target"]
    print_wrapped(f"{first}, {origin}, licence {row['licence']}", indent=4)


def _describe(registration: Registration) -> dict[str, Any]:
    row: dict[str, Any] = {
        "encoder": registration.name,
        "modality": None,
        "default": False,
        "embedding_size": None,
        "distribution": registration.distribution,
        "distribution_version": registration.distribution_version,
        "licence": registration.licence,
        "target": registration.target,
        "state": "ok",
        "summary": "",
    }
    try:
        loaded = registry().load(registration.name)
        row |= {"modality": loaded.modality, "default": loaded.default}
        row |= {"summary": loaded.summary, "embedding_size": loaded().embedding_size}
    except UserError as error:
        row["state"] = str(error)
    except Exception as error:
        row["state"] = f"its default configuration fails: {type(error).__name__}: {error}"
    return row


def _inputs(encoder_class: type[AnyEncoder]) -> list[dict[str, str]] | None:
    """Name and kind of each input that an encoder declares at its default settings."""
    declared = inputs_of(encoder_class())
    if declared is None:
        return None
    return [{"name": each.name, "kind": each.kind} for each in declared]


@encoders.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one encoder: what it does, its inputs, its package and its settings.

    \b
    Example:
      deephits encoders show mel_cnn
    """
    registration = registry().find(name)
    loaded = registration.load()
    settings = [
        {
            "setting": field.name,
            "default": list(field.default) if isinstance(field.default, tuple) else field.default,
            "changes_features": field.metadata.get("changes_features", False),
            "choices": list(field.metadata.get("choices", ())),
            "main": field.metadata.get("main", False),
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
                "inputs": _inputs(loaded),
                "published_weights": loaded.published_weights,
                "target": registration.target,
                "distribution": registration.distribution,
                "distribution_version": registration.distribution_version,
                "settings": settings,
            }
        )
        return
    click.echo(f"{name} (modality {loaded.modality}, version {loaded.version})")
    inputs = _inputs(loaded)
    kinds = dict.fromkeys(each["kind"] for each in inputs or ())
    read = "; ".join(
        f"{kind}: " + ", ".join(each["name"] for each in inputs or () if each["kind"] == kind)
        for kind in kinds
    )
    read = read or "all inputs of a track (it declares none)"
    click.echo(click.wrap_text(f"reads {read}", width=80, subsequent_indent="  "))
    click.echo(f"{registration.target}, {registration.origin}\n")
    if loaded.published_weights:
        print_wrapped(f"Published weights: {loaded.published_weights}")
    click.echo(f"{inspect.cleandoc(loaded.__doc__ or loaded.summary)}\n")
    click.echo("Settings (* marks those that change the extracted features):")
    for setting in settings:
        _print_setting(name, setting)


def _print_setting(encoder: str, setting: dict[str, Any]) -> None:
    """Print one setting: its option and default on one unbroken line, then its description."""
    mark = "*" if setting["changes_features"] else ""
    option = f"--{encoder}-{setting['setting']}".replace("_", "-")
    if setting["main"]:
        option = f"--{encoder} or {option}".replace("_", "-")
    click.echo(f"\n  {option}{mark}  [default: {_shown(setting['default'])}]")
    choices = f" ({', '.join(setting['choices'])})" if setting["choices"] else ""
    print_wrapped(setting["help"] + choices, indent=6)


@encoders.command(cls=EncoderCommand)
@click.argument("name")
@json_option
def check(name: str, as_json: bool, settings: dict[str, dict[str, Any]]) -> None:
    """Check that an installed encoder does what training and prediction rely on.

    The exit code is 1 if a check fails.

    The checks use the encoder's example tracks. If it needs pretrained weights and its settings
    name none, they use small untrained weights.

    \b
    Example:
      deephits encoders check mel_cnn --mel-frames 128
    """
    import tempfile

    loaded = registry().load(name)
    given = {**settings.get(loaded.modality, {}), **settings.get(name, {})}
    import_keras()
    from deephits_keras.testing import check_names, run_checks
    from deephits_keras.utils.progress import progress

    with tempfile.TemporaryDirectory(prefix="deephits-check-") as folder:
        tracks, own = Path(folder, "tracks"), Path(folder, "encoder")
        for each in (tracks, own):
            each.mkdir()
        stand_in = prepared_sample(loaded, own, loaded.example_tracks(tracks))
        as_text = {k: str(v) if isinstance(v, Path) else v for k, v in stand_in.items()}
        encoder = loaded.from_config({**as_text, **given})
        total = len(check_names())
        results = list(progress(run_checks(encoder), total=total, what=f"checking {name}"))
    failed = [result for result in results if result.status == "failed"]
    if as_json:
        print_json({"encoder": name, "checks": results})
    else:
        print_table(
            f"{name}: {len(results) - len(failed)} of {len(results)} checks without a failure",
            ("check", "result", "seconds"),
            ((r.check, r.status, f"{r.seconds:.1f}") for r in results),
            text_columns=2,
        )
        for result in results:
            if result.message:
                click.echo(f"{result.check} {result.status}: {result.message}")
    if failed:
        raise click.exceptions.Exit(1)


@encoders.command()
@click.argument("name")
@click.option("--modality", help="Modality of the encoder.  [default: NAME]")
@click.option("--out", type=PATH, help="Folder to create.  [default: deephits-NAME]")
def new(name: str, modality: str | None, out: Path | None) -> None:
    """Create an encoder from a template: a small Python package that works as written.

    \b
    Example:
      deephits encoders new birdsong
      pip install --editable deephits-birdsong
      deephits encoders check birdsong
    """
    from deephits_keras.encoders.scaffold import distribution_name, write_distribution

    folder = out or Path(distribution_name(name))
    for path in write_distribution(folder, name, modality or name):
        click.echo(path)
    click.echo(f"\nNext: pip install --editable {folder} && deephits encoders check {name}")


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
