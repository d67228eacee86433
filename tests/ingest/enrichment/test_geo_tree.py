from collections import defaultdict
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

import maxminddb
import mmdb_writer
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPSet

from ingest.enrichment.geo_tree import GeoTree

NETWORKS = {
    4: [
        "0.0.0.0/9",
        "10.0.0.0/8",
        "10.1.2.0/24",
        "10.1.2.7/32",
        "172.16.0.0/15",
        "172.20.16.0/20",
        "172.20.32.0/21",
        "255.255.0.0/16",
    ],
    6: ["::100:0/104", "::a01:207/128", "2001:218::/32", "2001:218:1::/48", "8000::/1"],
}
ADDRESSES = {4: st.ip_addresses(v=4), 6: st.ip_addresses()}


class Database:
    """A database, read by the library and by the tree."""

    def __init__(self, path: Path) -> None:
        self.reader = maxminddb.open_database(path)
        with path.open("rb") as file:
            self.data = mmap(file.fileno(), 0, access=ACCESS_READ)
        metadata = self.reader.metadata()
        self.sizes = metadata.node_count, metadata.record_size
        self.ip_version = metadata.ip_version
        self.tree = GeoTree(self.data, *self.sizes, self.ip_version)

    def close(self) -> None:
        self.reader.close()
        self.data.close()


@pytest.mark.parametrize(
    ("child_bits", "node", "left", "right"),
    [
        pytest.param(24, "fedcba 123456", 0xFEDCBA, 0x123456, id="24 bits"),
        pytest.param(28, "edcba9 f1 234567", 0xFEDCBA9, 0x1234567, id="28 bits"),
        pytest.param(32, "fedcba98 12345678", 0xFEDCBA98, 0x12345678, id="32 bits"),
    ],
)
def test_reads_children_of_each_size(child_bits: int, node: str, left: int, right: int) -> None:
    with mmap(-1, 64) as data:
        data.write(bytes.fromhex(node))
        tree = GeoTree(data, 1, child_bits, 4)

        assert tree.find(bytes([127, 1, 1, 1])) == left
        assert tree.find(bytes([128, 1, 1, 1])) == right


@pytest.fixture(
    scope="module", params=[(v, size) for v in (4, 6) for size in (24, 28, 32)], ids=str
)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    version, size = request.param

    def adjust(writer: mmdb_writer.TreeWriter) -> None:
        writer.record_size = size
        writer.data_offset = size * 2 // 8 * writer._node_counter

    path = tmp_path_factory.mktemp("geo") / "geo.mmdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmdb_writer.TreeWriter, "_adjust_record_size", adjust)
        writer = mmdb_writer.MMDBWriter(version)
        for number, network in enumerate(NETWORKS[version]):
            writer.insert_network(IPSet([network]), {"number": number % 4})
        writer.to_db_file(str(path))
    database = Database(path)
    assert database.sizes[1] == size
    yield database
    database.close()


@given(st.data())
def test_numbers_records_as_the_library_finds_them(database: Database, data: st.DataObject) -> None:
    version = database.ip_version
    inside = st.sampled_from(NETWORKS[version]).flatmap(lambda text: st.ip_addresses(network=text))
    found = defaultdict(set)
    for address in data.draw(st.lists(ADDRESSES[version] | inside, min_size=1)):
        found[database.tree.find(address.packed)].add(str(database.reader.get(address)))

    assert all(len(records) == 1 for records in found.values())
    assert len(set(map(min, found.values()))) == len(found)
    assert found.get(0, {"None"}) == {"None"}
