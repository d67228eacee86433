from ingest.rows.lookups import PLACE_NAMES, lookup_statements


def test_the_dictionary_comes_before_the_columns_that_read_it() -> None:
    table, dictionary, events, sessions = lookup_statements("my db")
    assert table.startswith("CREATE TABLE IF NOT EXISTS `my db`.location_data (")
    assert "index_granularity = 128" in table
    assert dictionary.startswith("CREATE DICTIONARY IF NOT EXISTS `my db`.location_data_dict (")
    assert "SIZE_IN_CELLS 500000" in dictionary
    assert events.startswith("ALTER TABLE `my db`.events_v2 ADD COLUMN IF NOT EXISTS ")
    assert sessions == events.replace("events_v2", "sessions_v2")


def test_each_place_name_is_looked_up_by_type_and_id() -> None:
    events = lookup_statements("db")[2]
    for name, key in zip(
        PLACE_NAMES,
        (
            "('country', toString(country_code))",
            "('subdivision', toString(subdivision1_code))",
            "('city', toString(city_geoname_id))",
        ),
        strict=True,
    ):
        assert f"`{name}` String ALIAS dictGet('db.location_data_dict', 'name', {key})" in events
