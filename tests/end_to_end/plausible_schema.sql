-- A ClickHouse database as the migrations of Plausible leave it, written from the description of its
-- tables. {database} is the database's name; a statement ends with a semicolon at the end of a line.
-- Lines that end in a comment `since YYYY-MM` are left out to get an older database.

CREATE TABLE {database}.schema_migrations
(
    `version` Int64,
    `inserted_at` DateTime
)
ENGINE = TinyLog;

INSERT INTO {database}.schema_migrations VALUES (20200915070607, now()), (20250910105432, now());
INSERT INTO {database}.schema_migrations VALUES (20260601000001, now()); -- since 2026-06

CREATE TABLE {database}.acquisition_channel_source_category
(
    `referrer_source` String,
    `category` LowCardinality(String)
)
ENGINE = MergeTree
ORDER BY referrer_source
SETTINGS index_granularity = 8192;

CREATE DICTIONARY {database}.acquisition_channel_source_category_dict
(
    `referrer_source` String,
    `category` String DEFAULT ''
)
PRIMARY KEY referrer_source
SOURCE(CLICKHOUSE(DB '{database}' TABLE 'acquisition_channel_source_category'))
LIFETIME(0)
LAYOUT(COMPLEX_KEY_HASHED());

CREATE TABLE {database}.acquisition_channel_paid_sources
(
    `referrer_source` String
)
ENGINE = MergeTree
ORDER BY referrer_source
SETTINGS index_granularity = 8192;

CREATE DICTIONARY {database}.acquisition_channel_paid_sources_dict
(
    `referrer_source` String
)
PRIMARY KEY referrer_source
SOURCE(CLICKHOUSE(DB '{database}' TABLE 'acquisition_channel_paid_sources'))
LIFETIME(0)
LAYOUT(COMPLEX_KEY_HASHED());

CREATE OR REPLACE FUNCTION acquisition_channel AS (source, medium, campaign, tag, click_id, category, paid_tag) ->
multiIf(
    position(campaign, 'cross-network') > 0, 'Cross-network',
    medium IN ('display', 'banner', 'expandable', 'interstitial', 'cpm'), 'Display',
    match(medium, '^(.*cp.*|ppc|retargeting|paid.*)$') AND (category = 'SOURCE_CATEGORY_SHOPPING' OR match(campaign, '^(.*(([^a-df-z]|^)shop|shopping).*)$')), 'Paid Shopping',
    (category = 'SOURCE_CATEGORY_SEARCH' AND (match(medium, '^(.*cp.*|ppc|retargeting|paid.*)$') OR paid_tag)) OR (source = 'google' AND click_id = 'gclid') OR (source = 'bing' AND click_id = 'msclkid'), 'Paid Search',
    category = 'SOURCE_CATEGORY_SOCIAL' AND (match(medium, '^(.*cp.*|ppc|retargeting|paid.*)$') OR paid_tag), 'Paid Social',
    category = 'SOURCE_CATEGORY_VIDEO' AND (match(medium, '^(.*cp.*|ppc|retargeting|paid.*)$') OR paid_tag), 'Paid Video',
    match(medium, '^(.*cp.*|ppc|retargeting|paid.*)$'), 'Paid Other',
    category = 'SOURCE_CATEGORY_SHOPPING' OR match(campaign, '^(.*(([^a-df-z]|^)shop|shopping).*)$'), 'Organic Shopping',
    category = 'SOURCE_CATEGORY_SOCIAL' OR medium IN ('social', 'social-network', 'social-media', 'sm', 'social network', 'social media'), 'Organic Social',
    category = 'SOURCE_CATEGORY_VIDEO' OR position(medium, 'video') > 0, 'Organic Video',
    category = 'SOURCE_CATEGORY_AI_ASSISTANTS', 'AI Assistants', -- since 2026-06
    category = 'SOURCE_CATEGORY_SEARCH', 'Organic Search',
    category = 'SOURCE_CATEGORY_EMAIL' OR match(tag, 'e[-_ ]?mail|newsletter') OR match(medium, 'e[-_ ]?mail|newsletter'), 'Email',
    medium = 'affiliate', 'Affiliates',
    medium = 'audio', 'Audio',
    tag = 'sms' OR medium = 'sms', 'SMS',
    endsWith(medium, 'push') OR match(medium, 'mobile|notification') OR source = 'firebase', 'Mobile Push Notifications',
    medium IN ('referral', 'app', 'link') OR source != '', 'Referral',
    'Direct'
);

CREATE TABLE {database}.location_data
(
    `type` LowCardinality(String),
    `id` String,
    `name` String
)
ENGINE = MergeTree
ORDER BY (type, id)
SETTINGS index_granularity = 128;

CREATE DICTIONARY {database}.location_data_dict
(
    `type` String,
    `id` String,
    `name` String
)
PRIMARY KEY type, id
SOURCE(CLICKHOUSE(DB '{database}' TABLE 'location_data'))
LIFETIME(0)
LAYOUT(COMPLEX_KEY_CACHE(SIZE_IN_CELLS 500000));

CREATE TABLE {database}.failed_batches
(
    `batch` UInt64
)
ENGINE = MergeTree
ORDER BY batch
SETTINGS index_granularity = 8192;

CREATE DICTIONARY {database}.failed_batches_dict
(
    `batch` UInt64
)
PRIMARY KEY batch
SOURCE(CLICKHOUSE(DB '{database}' TABLE 'failed_batches'))
LIFETIME(MIN 300 MAX 360)
LAYOUT(HASHED());

CREATE TABLE {database}.events_v2
(
    `timestamp` DateTime CODEC(Delta(4), LZ4),
    `name` LowCardinality(String),
    `site_id` UInt64,
    `user_id` UInt64,
    `session_id` UInt64,
    `hostname` String CODEC(ZSTD(3)),
    `pathname` String CODEC(ZSTD(3)),
    `referrer` String CODEC(ZSTD(3)),
    `referrer_source` String CODEC(ZSTD(3)),
    `country_code` FixedString(2),
    `screen_size` LowCardinality(String),
    `operating_system` LowCardinality(String),
    `browser` LowCardinality(String),
    `utm_medium` String CODEC(ZSTD(3)),
    `utm_source` String CODEC(ZSTD(3)),
    `utm_campaign` String CODEC(ZSTD(3)),
    `meta.key` Array(String) CODEC(ZSTD(3)),
    `meta.value` Array(String) CODEC(ZSTD(3)),
    `browser_version` LowCardinality(String),
    `operating_system_version` LowCardinality(String),
    `subdivision1_code` LowCardinality(String),
    `subdivision2_code` LowCardinality(String),
    `city_geoname_id` UInt32,
    `utm_content` String CODEC(ZSTD(3)),
    `utm_term` String CODEC(ZSTD(3)),
    `revenue_reporting_amount` Nullable(Decimal(18, 3)),
    `revenue_reporting_currency` FixedString(3),
    `revenue_source_amount` Nullable(Decimal(18, 3)),
    `revenue_source_currency` FixedString(3),
    `channel` LowCardinality(String), -- since 2024-10
    `click_id_param` LowCardinality(String), -- since 2024-10
    `scroll_depth` UInt8, -- since 2024-10
    `acquisition_channel` LowCardinality(String) MATERIALIZED acquisition_channel( lower(referrer_source), lower(utm_medium), lower(utm_campaign), lower(utm_source), click_id_param, dictGet('{database}.acquisition_channel_source_category_dict', 'category', lower(referrer_source)), dictHas('{database}.acquisition_channel_paid_sources_dict', lower(utm_source))), -- since 2024-11
    `engagement_time` UInt32, -- since 2025-02
    `batch` UInt64, -- since 2025-09
    INDEX minmax_batch batch TYPE minmax GRANULARITY 1, -- since 2025-09
    `city` UInt32 ALIAS city_geoname_id,
    `country` LowCardinality(FixedString(2)) ALIAS country_code,
    `device` LowCardinality(String) ALIAS screen_size,
    `os` LowCardinality(String) ALIAS operating_system,
    `os_version` LowCardinality(String) ALIAS operating_system_version,
    `region` LowCardinality(String) ALIAS subdivision1_code,
    `screen` LowCardinality(String) ALIAS screen_size,
    `source` String ALIAS referrer_source,
    `country_name` String ALIAS dictGet('{database}.location_data_dict', 'name', ('country', country_code)),
    `region_name` String ALIAS dictGet('{database}.location_data_dict', 'name', ('subdivision', subdivision1_code)),
    `city_name` String ALIAS dictGet('{database}.location_data_dict', 'name', ('city', city_geoname_id))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
PRIMARY KEY (site_id, toDate(timestamp), name, user_id)
ORDER BY (site_id, toDate(timestamp), name, user_id, timestamp)
SAMPLE BY user_id
SETTINGS index_granularity = 8192;

CREATE TABLE {database}.sessions_v2
(
    `session_id` UInt64,
    `sign` Int8,
    `site_id` UInt64,
    `user_id` UInt64,
    `hostname` String CODEC(ZSTD(3)),
    `timestamp` DateTime CODEC(Delta(4), LZ4),
    `start` DateTime CODEC(Delta(4), LZ4),
    `is_bounce` UInt8,
    `entry_page` String CODEC(ZSTD(3)),
    `exit_page` String CODEC(ZSTD(3)),
    `pageviews` Int32,
    `events` Int32,
    `duration` UInt32,
    `referrer` String CODEC(ZSTD(3)),
    `referrer_source` String CODEC(ZSTD(3)),
    `country_code` LowCardinality(FixedString(2)),
    `screen_size` LowCardinality(String),
    `operating_system` LowCardinality(String),
    `browser` LowCardinality(String),
    `utm_medium` String CODEC(ZSTD(3)),
    `utm_source` String CODEC(ZSTD(3)),
    `utm_campaign` String CODEC(ZSTD(3)),
    `browser_version` LowCardinality(String),
    `operating_system_version` LowCardinality(String),
    `subdivision1_code` LowCardinality(String),
    `subdivision2_code` LowCardinality(String),
    `city_geoname_id` UInt32,
    `utm_content` String CODEC(ZSTD(3)),
    `utm_term` String CODEC(ZSTD(3)),
    `transferred_from` String,
    `entry_meta.key` Array(String) CODEC(ZSTD(3)),
    `entry_meta.value` Array(String) CODEC(ZSTD(3)),
    `exit_page_hostname` String CODEC(ZSTD(3)),
    `city` UInt32 ALIAS city_geoname_id,
    `country` LowCardinality(FixedString(2)) ALIAS country_code,
    `device` LowCardinality(String) ALIAS screen_size,
    `entry_page_hostname` String ALIAS hostname,
    `os` LowCardinality(String) ALIAS operating_system,
    `os_version` LowCardinality(String) ALIAS operating_system_version,
    `region` LowCardinality(String) ALIAS subdivision1_code,
    `screen` LowCardinality(String) ALIAS screen_size,
    `source` String ALIAS referrer_source,
    `country_name` String ALIAS dictGet('{database}.location_data_dict', 'name', ('country', country_code)),
    `region_name` String ALIAS dictGet('{database}.location_data_dict', 'name', ('subdivision', subdivision1_code)),
    `city_name` String ALIAS dictGet('{database}.location_data_dict', 'name', ('city', city_geoname_id)),
    `channel` LowCardinality(String), -- since 2024-10
    `click_id_param` LowCardinality(String), -- since 2024-10
    `acquisition_channel` LowCardinality(String) MATERIALIZED acquisition_channel( lower(referrer_source), lower(utm_medium), lower(utm_campaign), lower(utm_source), click_id_param, dictGet('{database}.acquisition_channel_source_category_dict', 'category', lower(referrer_source)), dictHas('{database}.acquisition_channel_paid_sources_dict', lower(utm_source))), -- since 2024-11
    `batch` UInt64, -- since 2025-09
    INDEX minmax_batch batch TYPE minmax GRANULARITY 1, -- since 2025-09
    INDEX minmax_timestamp timestamp TYPE minmax GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(sign, events)
PARTITION BY toYYYYMM(start)
PRIMARY KEY (site_id, toDate(start), user_id, session_id)
ORDER BY (site_id, toDate(start), user_id, session_id)
SAMPLE BY user_id
SETTINGS index_granularity = 8192;

CREATE TABLE {database}.ingest_counters
(
    `event_timebucket` DateTime,
    `domain` LowCardinality(String),
    `site_id` Nullable(UInt64),
    `metric` LowCardinality(String),
    `value` UInt64,
    `tracker_script_version` UInt16, -- since 2025-03
    PROJECTION ingest_counters_site_traffic_projection
    (
        SELECT
            site_id,
            toDate(event_timebucket),
            sumIf(value, metric = 'buffered')
        GROUP BY
            site_id,
            toDate(event_timebucket)
    )
)
ENGINE = SummingMergeTree(value)
PRIMARY KEY (domain, toDate(event_timebucket), metric, toStartOfMinute(event_timebucket))
ORDER BY (domain, toDate(event_timebucket), metric, toStartOfMinute(event_timebucket), tracker_script_version) -- since 2025-03
ORDER BY (domain, toDate(event_timebucket), metric, toStartOfMinute(event_timebucket)) -- until 2025-03
SETTINGS index_granularity = 8192, deduplicate_merge_projection_mode = 'rebuild';
