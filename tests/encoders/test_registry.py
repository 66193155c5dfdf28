"""The registry, on real entry points of real (small) distributions on the import path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deephits_keras.encoders.registry import Registry, resolve_modalities
from deephits_keras.errors import UserError

MODULE = """
from dataclasses import dataclass
from deephits_keras.encoders.contract import EncoderConfig, FeatureSpec, ModalityEncoder, setting

@dataclass(frozen=True)
class Config(EncoderConfig):
    units: int = setting(4, "size of the embedding")

class Tempo(ModalityEncoder[Config]):
    name = "{name}"
    modality = "{modality}"
    version = "1"
    contract_version = {contract}
    Config = Config

    @property
    def feature_specs(self):
        return (FeatureSpec("tempo", (1,)),)

    def extract(self, track):
        return None

    def build(self, inputs):
        from keras import layers
        return layers.Dense(self.config.units)(inputs["tempo"])
"""


def distribution(
    root: Path, dist: str, name: str, *, modality: str = "rhythm", contract: int = 1, body: str = ""
) -> None:
    module = dist.replace("-", "_")
    text = body or MODULE.format(name=name, modality=modality, contract=contract)
    (root / f"{module}.py").write_text(text)
    info = root / f"{module}-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(f"[deephits_keras.encoders]\n{name} = {module}:Tempo\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("acme_tempo", "rival_tempo", "acme_broken"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path


def test_finds_a_third_party_encoder_and_configures_it(site: Path) -> None:
    distribution(site, "acme-tempo", "tempo_dense")
    known = Registry.installed()
    registration = known.find("tempo_dense")
    assert (registration.distribution, registration.distribution_version) == ("acme-tempo", "2.5")
    encoders = resolve_modalities("rhythm", {"tempo_dense": {"units": "7"}}, known)
    assert encoders["rhythm"].get_config() == {"units": 7}


def test_two_encoders_of_one_name_are_refused_naming_both_distributions(site: Path) -> None:
    distribution(site, "acme-tempo", "tempo_dense")
    distribution(site, "rival-tempo", "tempo_dense")
    with pytest.raises(UserError, match=r"acme-tempo 2\.5 and rival-tempo 2\.5"):
        Registry.installed().load("tempo_dense")


def test_a_broken_encoder_is_reported_and_hurts_no_other(site: Path) -> None:
    distribution(site, "acme-broken", "broken", body="import a_package_that_is_not_there")
    distribution(site, "acme-tempo", "tempo_dense")
    known = Registry.installed()
    with pytest.raises(UserError, match="a_package_that_is_not_there"):
        known.load("broken")
    assert known.for_modality("rhythm").name == "tempo_dense"


def test_a_modality_with_two_encoders_and_no_default_must_be_chosen(site: Path) -> None:
    distribution(site, "acme-tempo", "tempo_dense")
    distribution(site, "rival-tempo", "tempo_other")
    known = Registry.installed()
    with pytest.raises(UserError, match="tempo_dense, tempo_other"):
        resolve_modalities("rhythm", known=known)
    assert resolve_modalities("rhythm=tempo_other", known=known)["rhythm"].name == "tempo_other"


@pytest.mark.parametrize(("contract", "behind"), [(99, "deephits-keras"), (0, "acme-tempo")])
def test_an_encoder_for_another_contract_is_refused(site: Path, contract: int, behind: str) -> None:
    distribution(site, "acme-tempo", "tempo_dense", contract=contract)
    reason = rf"written for version {contract} .* pip install --upgrade {behind}$"
    with pytest.raises(UserError, match=reason):
        Registry.installed().load("tempo_dense")


def test_a_name_that_differs_from_the_entry_point_is_refused(site: Path) -> None:
    body = MODULE.format(name="other", modality="rhythm", contract=1)
    distribution(site, "acme-tempo", "tempo_dense", body=body)
    with pytest.raises(UserError, match="has the name 'other'"):
        Registry.installed().load("tempo_dense")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mell", "serves the modality 'mell' .did you mean mel.*Modalities: .*lyrics.*mel"),
        ("mel=nobody", "no encoder named 'nobody'. Installed encoders: .*mel_cnn"),
        ("meta=mel_cnn", "serves the modality 'mel', not 'meta'"),
        ("mel,mel", "'mel' is given twice"),
    ],
)
def test_a_wrong_name_says_which_are_right(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve_modalities(spec)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mel": {"colour": "red"}}, "there is no 'colour'. Known: .*frames"),
        ({"mel": {"frames": "many"}}, r"frames must be a whole number. Received: 'many'"),
        ({"mel": {"crop": "end"}}, "crop must be one of"),
    ],
)
def test_a_wrong_setting_says_what_is_right(
    settings: dict[str, dict[str, str]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        resolve_modalities("mel", settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"numeric": {"units": 3}},
            "of numeric .units. have no effect. .*: meta .tabular.. Choose",
        ),
        ({"lyrics": {"units": 3}}, "of lyrics .units. have no effect. Encoders in use: meta"),
    ],
)
def test_a_setting_of_an_encoder_that_is_not_used_is_refused(
    settings: dict[str, dict[str, int]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        resolve_modalities("meta=tabular", settings)
    # As defaults they are those of a recipe or a corpus, for encoders that may be used.
    assert list(resolve_modalities("meta=tabular", defaults=settings)) == ["meta"]


@pytest.mark.parametrize("words", [["--help"], ["encoders", "list"], ["train", "--help"]])
def test_listing_and_help_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from deephits_keras.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n"
        "    heavy = {'tensorflow', 'keras', 'torch', 'jax', 'pandas', 'librosa', 'numpy'}\n"
        "    print('HEAVY:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip().endswith("HEAVY: []")


def test_an_encoder_without_a_method_names_it(site: Path) -> None:
    text = MODULE.format(name="tempo", modality="rhythm", contract=2)
    distribution(site, "acme-tempo", "tempo", body=text[: text.index("    def build")])
    with pytest.raises(UserError, match=r"'tempo' .*acme-tempo 2.5.* lacks .*: build"):
        Registry.installed().load("tempo")
