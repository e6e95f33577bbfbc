"""A resource can ask to let its warnings alone: they are told apart, and errors stay."""

from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog

CATALOG = Catalog()
DOCUMENT = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  labels: {{canary: on}}
  annotations: {{gitsource.dev/suppress: "{codes}"}}
spec:
  hosts: [reviews]
  http:
  - route: [{{destination: {{host: reviews}}}}]
{more}"""


def judged(codes, more=""):
    data = DOCUMENT.format(codes=codes, more=more).encode()
    result = judge(data, None, CATALOG, bounds(CATALOG), json=False)
    return {f.code: (f.warning, f.suppressed) for f in result.documents[0].findings}


def test_a_warning_that_is_named_is_suppressed():
    assert {"GS113": (True, True)} == judged("GS113")


def test_several_may_be_named_in_any_form_of_list():
    assert {"GS113": (True, True)} == judged("GS401,  GS113,VS-54")


def test_another_warning_stays():
    assert {"GS113": (True, False)} == judged("VS-54")


def test_an_error_cannot_be_suppressed():
    told = judged("GS310", "  nonsense: 1\n")

    assert (False, False) == told["GS310"]


def test_a_code_that_does_not_exist_suppresses_nothing_and_is_told():
    assert (True, False) == judged("GS999")["GS330"]


def test_an_annotation_without_codes_is_told():
    assert (True, False) == judged(" , ")["GS330"]


def test_an_annotation_of_a_megabyte_is_taken_as_far_as_it_may_be_meant():
    told = judged("x," * 500_000)

    assert (True, False) == told["GS330"]
