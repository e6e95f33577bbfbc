"""What the corpus cannot say of PeerAuthentication: what is written and says nothing."""

from gitsource._proto.istio.security.v1beta1.peer_authentication_pb2 import PeerAuthentication
from gitsource.validate.istio import peer_authentication
from gitsource.validate.istio.subject import Subject


def codes(raw):
    """Return what is told of a message without ports, made of the spec *raw*."""
    subject = Subject(PeerAuthentication(), raw, "strict", "shop", {}, {})
    return [problem.code for problem in peer_authentication.check(subject)]


def test_an_empty_map_is_written_and_null_is_not():
    assert ["PA-03"] == codes({"portLevelMtls": {}})
    assert ["PA-03"] == codes({"port_level_mtls": {}})
    assert [] == codes({"portLevelMtls": None})
    assert [] == codes({})
