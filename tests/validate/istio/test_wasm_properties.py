"""Extensions drawn from their messages are taken; one thing made worse is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mesh
from attached import attached, mutations, reattached

PLUGIN, EXTENSION = "WasmPlugin", "TrafficExtension"
PACKAGE = "istio.extensions.v1alpha1"
FEWER = settings(mesh.FEW, max_examples=4)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)
JSON = st.dictionaries(WORDS, WORDS | st.booleans() | st.none() | st.lists(WORDS), max_size=2)
URLS = st.builds(
    "{}{}{}/{}".format,
    st.sampled_from(["oci://", "http://", "https://", "file:///"]),
    mesh.HOSTS,
    st.just("") | mesh.PORTS.map(":{}".format),
    st.sampled_from(["a", "a/b:1.2", "a.wasm", "a@sha256:0", "%7Ea?b#c"]),
) | st.builds("{}/{}".format, mesh.HOSTS, st.sampled_from(["a", "a/b:1.2", "a@sha256:0"]))
ENV = st.lists(
    st.one_of(
        mesh.message(
            f"{PACKAGE}.EnvVar",
            "name",
            name=st.text("ABC_1", min_size=1),
            value=mesh.TEXT,
            valueFrom=st.just("INLINE"),
        ),
        st.builds(lambda name: {"name": name, "valueFrom": "HOST"}, st.text("XYZ", min_size=1)),
    ),
    max_size=3,
    unique_by=lambda variable: variable["name"],
)
MODULE = {
    "url": URLS,
    "sha256": st.text("0123456789abcdef", min_size=64, max_size=64) | st.just(""),
    "imagePullPolicy": st.sampled_from(["UNSPECIFIED_POLICY", "IfNotPresent", "Always"]),
    "imagePullSecret": mesh.NAMES,
    "verificationKey": mesh.TEXT,
    "pluginConfig": JSON,
    "pluginName": mesh.NAMES,
    "failStrategy": st.sampled_from(["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"]),
    "vmConfig": mesh.message(f"{PACKAGE}.VmConfig", env=ENV),
    "type": st.sampled_from(["UNSPECIFIED_PLUGIN_TYPE", "HTTP", "NETWORK"]),
}
MODES = st.sampled_from(["UNDEFINED", "CLIENT", "SERVER", "CLIENT_AND_SERVER"])


def matches(selector):
    numbers = st.lists(mesh.PORTS, max_size=3, unique=True)
    ports = numbers.map(lambda several: [{"number": number} for number in several])
    return st.lists(mesh.message(f"{PACKAGE}.{selector}", mode=MODES, ports=ports), max_size=2)


PLUGINS = mesh.message(
    PLUGIN,
    "url",
    **MODULE,
    selector=None,
    targetRef=None,
    targetRefs=None,
    phase=st.sampled_from(["UNSPECIFIED_PHASE", "AUTHN", "AUTHZ", "STATS"]),
    priority=st.integers(-(2**31), 2**31 - 1) | st.none(),
    match=matches("WasmPlugin.TrafficSelector"),
)
SCRIPTS = st.builds(lambda text: {"inlineCode": text}, WORDS | st.just("-- " * 21845))


def _extensions(*, lua):
    return mesh.message(
        EXTENSION,
        "lua" if lua else "wasm",
        selector=None,
        targetRefs=None,
        phase=st.sampled_from(["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"]),
        priority=st.integers(-(2**31), 2**31 - 1) | st.none(),
        match=matches("TrafficSelector"),
        wasm=None if lua else mesh.message(f"{PACKAGE}.WasmConfig", "url", **MODULE),
        lua=SCRIPTS if lua else None,
    )


MODULES = _extensions(lua=False)
EXTENSIONS = MODULES | _extensions(lua=True)


@mesh.FEW
@given(attached(PLUGINS))
def test_a_plugin_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors(PLUGIN, spec)


@mesh.FEW
@given(attached(EXTENSIONS, single=False))
def test_an_extension_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors(EXTENSION, spec)


@mesh.FEW
@given(attached(PLUGINS), st.sampled_from(mutations("WP-01", "WP-02", "WP-03")))
def test_a_plugin_that_is_attached_in_a_wrong_way_is_refused(spec, mutation):
    code, way = mutation

    assert code in mesh.errors(PLUGIN, reattached(spec, way))


@mesh.FEW
@given(attached(EXTENSIONS, single=False), st.sampled_from(mutations("TE-02", "TE-03", "TE-04")))
def test_an_extension_that_is_attached_in_a_wrong_way_is_refused(spec, mutation):
    code, way = mutation

    assert code in mesh.errors(EXTENSION, reattached(spec, way))


def _env(*variables):
    return {"vmConfig": {"env": [*variables]}}


FATAL = [
    ("WP-10", "TE-20", {"url": ""}),
    *(("WP-11", "TE-20", {"url": text}) for text in ("#a", "a b", "http://a/%zz", "a/\x01", ":a")),
    *(("WP-12", "TE-20", {"url": text}) for text in ("ftp://a", "a:5000/b", "s3://a", "data:,a")),
    *(("WP-13", "TE-21", {"sha256": text}) for text in ("a", "A" * 64, "g" * 64, "0" * 65)),
    *(("WP-14", "TE-22", {"imagePullSecret": text}) for text in ("a" * 254, "é" * 127)),
    *(("WP-15", "TE-23", {"pluginName": text}) for text in ("a" * 257, "é" * 129)),
    ("WP-20", "TE-24", _env({})),
    ("WP-20", "TE-24", _env({"name": "A"}, {"name": ""})),
    ("WP-21", "TE-24", _env({"name": "a" * 257})),
    ("WP-22", "TE-24", _env({"name": "A"}, {"name": "B"}, {"name": "A"})),
    ("WP-23", "TE-24", _env({"name": "A", "valueFrom": "HOST", "value": "a"})),
]
BAD_MATCHES = [
    ("30", None),
    ("30", {"ports": [None]}),
    ("31", {"ports": [{}]}),
    ("31", {"ports": [{"number": 80}, {"number": 65536}]}),
]


@pytest.mark.parametrize(("of_plugin", "of_extension", "change"), FATAL)
@FEWER
@given(plugin=PLUGINS, extension=MODULES)
def test_a_module_that_is_wrong_is_refused(plugin, extension, of_plugin, of_extension, change):
    wasm = {**extension["wasm"], **change}

    assert of_plugin in mesh.errors(PLUGIN, {**plugin, **change})
    assert of_extension in mesh.errors(EXTENSION, {**extension, "wasm": wasm})


@pytest.mark.parametrize(("number", "match"), BAD_MATCHES)
@FEWER
@given(plugin=PLUGINS, extension=EXTENSIONS)
def test_traffic_that_is_wrong_is_refused(plugin, extension, number, match):
    def worse(spec):
        return {**spec, "match": [*spec.get("match", []), match]}

    assert f"WP-{number}" in mesh.errors(PLUGIN, worse(plugin))
    assert f"TE-{number}" in mesh.errors(EXTENSION, worse(extension))


@mesh.FEW
@given(EXTENSIONS, SCRIPTS, URLS)
def test_an_extension_is_either_a_module_or_a_script(spec, script, url):
    both = {**spec, "lua": script, "wasm": {"url": url}}
    neither = {name: value for name, value in spec.items() if name not in ("lua", "wasm")}

    assert "TE-01" in mesh.errors(EXTENSION, both)
    assert "TE-01" in mesh.errors(EXTENSION, neither)


@pytest.mark.parametrize(
    ("code", "script"),
    [
        ("TE-10", {}),
        ("TE-10", {"inlineCode": ""}),
        ("TE-11", {"inlineCode": "-" * 65537}),
        ("TE-11", {"inlineCode": "é" * 32769}),
    ],
)
def test_a_script_has_a_size(code, script):
    assert code in mesh.errors(EXTENSION, {"lua": script})


@mesh.FEW
@given(PLUGINS)
def test_the_first_variable_that_is_wrong_is_told_alone(spec):
    """So it is in Istio: what follows may be wrong because of it."""
    worse = {**spec, **_env({"name": ""}, {"name": "A"}, {"name": "A"})}

    assert "WP-22" not in mesh.errors(PLUGIN, worse)
