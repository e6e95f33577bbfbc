"""Settings from a file, the environment and flags; a rejected file says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitsource.catalog.rows import BUILTIN, ENVOY
from gitsource.configuration.catalogs import catalog_for
from gitsource.configuration.whole import load
from gitsource.errors import ConfigurationError
from gitsource.settings.judging import CollectionRow
from gitsource.settings.serving import DialRow
from gitsource.settings.units import Address
from gitsource.settings.views import ViewLocality, ViewNodes, ViewResources, ViewRow
from gitsource.settings.whole import Settings

CASES = Path(__file__).parent / "configurations"
FLAGS = CollectionRow("acme/v1/flags", "acme.dev/v1", "Flag", None, "schemas/flags.json")
SCHEMA = '{"type": "object"}'


def told(file: Path | None = None, environ=None, flags=None) -> list[str]:
    """The mistakes that `load` tells."""
    with pytest.raises(ConfigurationError) as caught:
        load(file, environ or {}, flags or {})
    return str(caught.value).splitlines()


# --------------------------------------------------------------------------- the file


def test_without_any_source_the_defaults_hold():
    assert load(None, {}, {}) == Settings()


def test_an_empty_file_changes_only_the_folder_schemas_are_looked_for_in():
    file = CASES / "accepted" / "empty.yaml"

    assert load(file, {}, {}).folder == str(file.parent)


def test_the_documented_example_is_read():
    settings = load(CASES / "accepted" / "documented.yaml", {}, {})

    assert settings.repository.url == "https://git.example.com/mesh.git"
    assert settings.webhook.listen == "127.0.0.1:9903"
    assert settings.listen == Settings().listen
    assert settings.collections == (FLAGS,)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("repository: {ref: a:b}", "a:b"),
        ("repository: {ref: 'a:b'}", "a:b"),
        ('{"repository":{"ref":"a:b"}}', "a:b"),
        ("repository: {ref: a::b}", "a::b"),
        ("repository: {path: x:y, ref: a:b} # {c:d", "a:b"),
    ],
)
def test_a_colon_inside_a_text_needs_no_quotes(tmp_path, text, ref):
    file = tmp_path / "gitsource.yaml"
    file.write_text(text)

    assert load(file, {}, {}).repository.ref == ref


def test_places_are_right_beside_colons_without_quotes(tmp_path):
    file = tmp_path / "gitsource.yaml"
    file.write_text("listen: {mcp: 127.0.0.1:9901, 'a:b': 1, c:d, admin: x:y:z}\n")

    first, second, third = told(file)

    assert first == f'{file}:1:31: unknown key "a:b" in "listen": here belong admin, mcp'
    assert second == f'{file}:1:41: unknown key "c:d" in "listen": here belong admin, mcp'
    assert third.startswith(f"{file}:1:53: listen.admin: expected host:port")
    assert third.endswith(', found "x:y:z"')


def test_what_is_wrong_besides_such_a_colon_is_what_is_told(tmp_path):
    file = tmp_path / "gitsource.yaml"
    file.write_text("listen: {mcp: 127.0.0.1:9901}\npoll: {\n")
    (line,) = told(file)

    assert line.startswith(f"{file}:3:1: GS102: ")
    assert "colon" not in line


def test_every_form_of_a_value_is_read():
    settings = load(CASES / "accepted" / "full.yaml", {}, {})

    assert settings.repository.url == "git@git.example.com:mesh.git"
    assert settings.repository.ref == "refs/heads/live"
    assert settings.repository.timeout == 1.5
    assert settings.state_dir == str(CASES / "accepted" / "state")
    assert (settings.poll.interval, settings.poll.max_backoff) == (0.5, 3600.0)
    assert settings.watch.enabled is False
    assert settings.webhook.listen == "[::1]:9903"
    assert settings.webhook.secret_file == "/etc/gitsource/webhook"
    assert settings.webhook.max_body == 512 * 1024
    assert settings.listen.admin == "localhost:0"
    assert settings.unknown_kinds == "warn"
    assert settings.collections == (
        FLAGS,
        CollectionRow("acme/v1/tunes", path="tunes/**/*.yaml"),
    )
    assert (settings.limits.file_bytes, settings.limits.files) == (2 * 1024**2, 5)
    assert settings.build == Settings().build
    assert settings.log.format == "json"
    assert settings.drain == 0.0


@pytest.mark.parametrize("file", sorted((CASES / "rejected").iterdir()), ids=lambda file: file.stem)
def test_every_mistake_in_a_file_is_told_with_its_place(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    expected = [f"{file}:{line[3:]}" for line in lines if line.startswith("#! ")]

    assert expected == told(file)


def test_the_same_mistakes_are_told_for_json(tmp_path):
    file = tmp_path / "gitsource.json"
    file.write_text('{\n  "watch": {"enabled": 7},\n  "keeep": {}\n}\n')

    assert told(file) == [
        f"{file}:2:24: watch.enabled: expected true or false, found 7",
        f'{file}:3:3: unknown key "keeep": did you mean "keep"?',
    ]


@pytest.mark.parametrize(
    ("data", "place", "code"),
    [
        (b"poll:\n\tinterval: 30s\n", "2:1", "GS102"),
        (b"poll: {}\npoll: {}\n", "2:1", "GS103"),
        (b"- a list\n", "1:1", "GS108"),
        (b"a: \xff\n", "1:4", "GS101"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_the_place(tmp_path, data, place, code):
    file = tmp_path / "gitsource.yaml"
    file.write_bytes(data)
    (line,) = told(file)

    assert line.startswith(f"{file}:{place}: {code}: ")


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_is_none_is_an_error(tmp_path, name):
    (line,) = told(tmp_path / name)

    assert line.startswith(f"the config file {tmp_path / name} cannot be read: ")


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    file = tmp_path / "core"
    file.write_bytes(b"#" * (1024 * 1024 + 1))

    assert told(file) == [f"the config file {file} is larger than 1 MiB"]


def test_the_next_step_is_told(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        load(None, {}, {"drain": "soon"})

    assert caught.value.hint == (
        "every setting is described in docs/settings.md and by `gitsource serve --help`"
    )


# --------------------------------------------------------------------------- all three


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path):
    file = tmp_path / "gitsource.yaml"
    file.write_text("repository: {ref: file, path: file}\npoll: {interval: 7s}\ndrain: 1\n")
    environ = {"GITSOURCE_REPOSITORY_REF": "environment", "GITSOURCE_POLL_INTERVAL": "8s"}
    flags = {"poll.interval": "9s", "repository.ref": None}
    settings = load(file, environ, flags)

    assert settings.repository.ref == "environment"
    assert settings.repository.path == "file"
    assert settings.poll.interval == 9.0
    assert settings.drain == 1.0


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "acme/v1/flags", "path": "flags/*"}]',
        '[\n  {"name": "acme/v1/flags",\n   "path": "flags/*"}\n]\n',
        "[{name: acme/v1/flags, path: flags/*}]",
        "- name: acme/v1/flags\n  path: flags/*\n",
    ],
)
def test_collections_can_be_given_as_json_or_yaml_text(text):
    expected = (CollectionRow("acme/v1/flags", path="flags/*"),)

    assert load(None, {}, {"collections": text}).collections == expected
    assert load(None, {"GITSOURCE_COLLECTIONS": text}, {}).collections == expected


def test_no_collections_at_all_can_be_given_too():
    file = CASES / "accepted" / "full.yaml"

    assert load(file, {}, {"collections": "[]"}).collections == ()
    assert load(file, {"GITSOURCE_COLLECTIONS": ""}, {}).collections == ()


def test_views_say_which_resources_are_for_which_nodes():
    shop, everything = load(CASES / "accepted" / "views.yaml", {}, {}).views

    assert shop == ViewRow(
        "shop",
        ViewNodes(
            ("sidecar~*.shop~*", "api"),
            ("shop-*",),
            (("TIER", "gold"),),
            ViewLocality(region=("eu-*",), sub_zone=("rack-[12]",)),
        ),
        ViewResources(
            ("shop", "shop-*"),
            (("app", "*"), ("team", "shop")),
            (("acme.dev/public", "yes"),),
            ("istio/*",),
        ),
    )
    assert everything == ViewRow("all")


def test_views_can_be_given_as_text_too():
    text = "[{name: shop, nodes: {clusters: [shop]}}]"

    assert load(None, {"GITSOURCE_VIEWS": text}, {}).views == (
        ViewRow("shop", ViewNodes(clusters=("shop",))),
    )


def test_sinks_that_are_dialled_are_rows_with_what_each_needs():
    sinks = load(CASES / "accepted" / "sinks.yaml", {}, {}).sinks
    plain, edge = sinks.dial

    assert sinks.metadata == ("mesh=prod", "region=eu=1")
    assert plain == DialRow("plain", Address("127.0.0.1:9911"))
    assert ("mutual", "ca.pem", "edge.example") == (edge.tls, edge.ca, edge.server_name)


def test_mistakes_in_the_environment_and_in_flags_are_told_by_name():
    environ = {"GITSOURCE_DRAIN": "soon", "GITSOURCE_LISTEN_MPC": "127.0.0.1:1"}
    flags = {"build.workers": "many", "collections": '[{"name": "a/b"},\n {"nam": "x"}]'}

    assert told(None, environ, flags) == [
        '--build-workers: build.workers: expected a whole number, found "many"',
        "--collections:2:2: collections[1]: expected a name such as acme/v1/flags",
        '--collections:2:3: collections[1]: unknown key "nam": did you mean "name"?',
        'GITSOURCE_DRAIN: drain: expected a duration such as 500ms, 30s, 5m or 1h, found "soon"',
        'GITSOURCE_LISTEN_MPC: there is no such setting: did you mean "GITSOURCE_LISTEN_MCP"?',
    ]


def test_collections_that_are_no_yaml_are_told_where_in_the_text():
    (line,) = told(None, {}, {"collections": "[{name: acme}\n"})

    assert line.startswith("--collections:")
    assert ": GS102: " in line


def test_what_kubernetes_puts_into_a_pod_is_no_mistake():
    environ = {
        "GITSOURCE_SERVICE_HOST": "10.0.0.7",
        "GITSOURCE_SERVICE_PORT": "9901",
        "GITSOURCE_SERVICE_PORT_MCP": "9901",
        "GITSOURCE_PORT": "tcp://10.0.0.7:9901",
        "GITSOURCE_PORT_9901_TCP_ADDR": "10.0.0.7",
        "GITSOURCE_ADMIN_SERVICE_HOST": "10.0.0.7",
        "GITSOURCE_CONFIG": "/etc/gitsource/gitsource.yaml",
        "PATH": "/bin",
    }

    assert load(None, environ, {}) == Settings()


def test_an_empty_variable_takes_an_optional_setting_away():
    file = CASES / "accepted" / "full.yaml"
    settings = load(file, {"GITSOURCE_WEBHOOK_LISTEN": ""}, {})

    assert settings.webhook.listen is None


def test_relative_paths_count_from_the_config_file_only_if_they_stand_in_it(tmp_path):
    file = tmp_path / "gitsource.yaml"
    file.write_text("state_dir: state\nwebhook: {secret_file: ../secret}\n")

    assert load(file, {}, {}).state_dir == str(tmp_path / "state")
    assert load(file, {}, {}).webhook.secret_file == str(tmp_path / ".." / "secret")
    assert load(file, {}, {"state_dir": "state"}).state_dir == "state"


def test_what_holds_between_settings_is_told_where_it_was_written(tmp_path):
    file = tmp_path / "gitsource.yaml"
    file.write_text("listen: {mcp: 127.0.0.1:7000}\n")

    assert told(file, {"GITSOURCE_LISTEN_ADMIN": "127.0.0.1:7000"}) == [
        "GITSOURCE_LISTEN_ADMIN: listen.admin: 127.0.0.1:7000 is the address of listen.mcp too"
    ]


def test_two_free_ports_are_not_one_address():
    flags = {"listen.mcp": "127.0.0.1:0", "listen.admin": "127.0.0.1:0"}

    assert load(None, {}, flags).listen.admin == "127.0.0.1:0"


# --------------------------------------------------------------------------- the catalog


def catalog(settings: Settings, repository: dict[str, str] | None = None):
    return catalog_for(settings, (repository or {}).get)


def test_the_catalog_has_the_built_in_kinds_and_the_bounds_of_the_settings():
    settings = load(None, {}, {"default_namespace": "mesh", "unknown_kinds": "error"})
    made = catalog(settings)

    assert made.kinds == (*BUILTIN, *ENVOY)
    assert (made.default_namespace, made.unknown_kinds) == ("mesh", "error")
    assert made.limits == {
        "documents": 2000,
        "depth": 64,
        "nodes": 200_000,
        "file_bytes": 1024**2,
    }


@pytest.fixture
def configured(tmp_path):
    file = tmp_path / "gitsource.yaml"
    row = {
        "name": "acme/v1/flags",
        "api_version": "acme.dev/v1",
        "kind": "Flag",
        "schema": "schemas/flags.json",
    }
    file.write_text(json.dumps({"collections": [row]}))
    (tmp_path / "schemas").mkdir()
    return load(file, {}, {})


def test_a_schema_beside_the_config_file_wins_over_one_in_the_repository(tmp_path, configured):
    (tmp_path / "schemas" / "flags.json").write_text(SCHEMA)
    made = catalog(configured, {"schemas/flags.json": "false"})

    assert made.by_collection["acme/v1/flags"].schema_text() == SCHEMA
    assert made.by_document["acme.dev/v1", "Flag"].collection == "acme/v1/flags"


def test_a_schema_that_is_not_beside_the_config_file_comes_from_the_repository(configured):
    made = catalog(configured, {"schemas/flags.json": SCHEMA})

    assert made.by_collection["acme/v1/flags"].schema_text() == SCHEMA


def test_a_collection_without_a_schema_takes_anything():
    settings = load(None, {}, {"collections": "[{name: acme/v1/flags, path: flags/*}]"})
    made = catalog(settings)

    assert made.by_collection["acme/v1/flags"].schema_text() == "true"
    assert made.route("flags/a") is made.by_collection["acme/v1/flags"]


def test_a_schema_that_is_nowhere_is_told_with_both_places(tmp_path, configured):
    with pytest.raises(ConfigurationError) as caught:
        catalog(configured)

    assert str(caught.value) == (
        "collections: acme/v1/flags: there is no schema schemas/flags.json, neither beside the "
        f"config file ({tmp_path}/schemas/flags.json) nor in the repository"
    )


@pytest.mark.parametrize("text", ["{", '{"type": 7}', '{"$ref": "http://example.com/x.json"}'])
def test_a_schema_that_is_not_sound_is_told_with_its_file(tmp_path, configured, text):
    (tmp_path / "schemas" / "flags.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"flags\.json"):
        catalog(configured)
    (tmp_path / "schemas" / "flags.json").unlink()
    with pytest.raises(ConfigurationError, match=r"schemas/flags\.json in the repository"):
        catalog(configured, {"schemas/flags.json": text})


def test_a_schema_that_is_no_text_is_told(tmp_path, configured):
    (tmp_path / "schemas" / "flags.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        catalog(configured)


@pytest.mark.parametrize("path", ["../secret.json", "/etc/hostname.json"])
def test_a_path_that_leads_out_is_never_asked_of_the_repository(path):
    row = json.dumps([{"name": "acme/v1/flags", "path": "f/*", "schema": path}])
    asked = []
    with pytest.raises(ConfigurationError, match="there is no schema"):
        catalog_for(load(None, {}, {"collections": row}), asked.append)

    assert asked == []


def test_a_webhook_without_a_secret_has_to_be_asked_for(tmp_path):
    file = tmp_path / "gitsource.yaml"
    file.write_text("webhook: {listen: '127.0.0.1:9903'}\n")
    insecure = load(file, {}, {"insecure_webhook": "true"})

    assert told(file)[0].endswith("deliveries that nobody signed are not taken")
    assert insecure.insecure_webhook is True


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        ({"repository.commit": "abc1234"}, "repository.commit"),
        ({"repository.name": "main"}, "repository.name"),
        ({"repository.tag": "refs/tags/v1"}, "repository.tag"),
        ({"repository.branch": "refs/heads/main"}, "repository.branch"),
        ({"repository.branch": "live", "repository.ref": "main"}, "repository.branch"),
        (
            {
                "repository.depth": "5",
                "trust.mode": "since",
                "trust.since": "0" * 40,
                "trust.allowed_signers": "/x",
            },
            "repository.depth",
        ),
    ],
)
def test_words_on_what_is_followed_that_cannot_be_are_told(flags, key):
    with pytest.raises(ConfigurationError) as caught:
        load(None, {}, flags)

    assert key in str(caught.value)


def test_several_words_on_what_is_followed_may_stand_together():
    """The most exact one counts; a fixed commit may have the branch it is on."""
    flags = {
        "repository.commit": "A" * 40,
        "repository.branch": "main",
        "repository.ref": "refs/heads/main",
        "repository.depth": "0",
    }

    assert load(None, {}, flags).repository.commit == "A" * 40
