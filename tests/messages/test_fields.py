"""Fields put together without a message are what a message would serialize to."""

from hypothesis import given
from hypothesis import strategies as st

from gitsource._proto.istio.mcp.v1alpha1.mcp_pb2 import Resources
from gitsource.messages import fields


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_many_values_of_one_field_are_what_one_by_one_they_are(values):
    one_by_one = b"".join(part for value in values for part in fields.field(b"\x1a", value))

    assert one_by_one == b"".join(fields.repeated(b"\x1a", values))


def test_a_message_reads_them():
    told = b"".join(fields.repeated(b"\x22", [b"a", b"b" * 200]))

    assert ["a", "b" * 200] == list(Resources.FromString(told).removed_resources)
