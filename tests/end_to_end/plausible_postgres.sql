-- The tables of Plausible's PostgreSQL that are read, with those of their columns that matter here,
-- written from the description of its migrations. A statement ends with a semicolon at the end of a
-- line. Lines that end in a comment `since YYYY-MM` are left out to get an older database.

CREATE TYPE site_membership_role AS ENUM ('owner', 'admin', 'viewer');

CREATE TABLE users (
    id bigserial PRIMARY KEY,
    email varchar(255) NOT NULL,
    accept_traffic_until date, -- since 2023-10
    inserted_at timestamp(0) NOT NULL DEFAULT now()
);

CREATE TABLE teams (id bigserial PRIMARY KEY, name varchar(255) NOT NULL, accept_traffic_until date); -- since 2024-11

CREATE TABLE sites (
    id bigserial PRIMARY KEY,
    domain varchar(255) NOT NULL UNIQUE,
    timezone varchar(255) NOT NULL DEFAULT 'Etc/UTC',
    public boolean NOT NULL DEFAULT false,
    ingest_rate_limit_scale_seconds integer NOT NULL DEFAULT 60,
    ingest_rate_limit_threshold integer,
    domain_changed_from varchar(255), -- since 2023-04
    domain_changed_at timestamp(0), -- since 2023-04
    team_id bigint REFERENCES teams (id), -- since 2024-11
    consolidated boolean NOT NULL DEFAULT false, -- since 2025-10
    inserted_at timestamp(0) NOT NULL DEFAULT now()
);

CREATE TABLE site_memberships (
    id bigserial PRIMARY KEY,
    site_id bigint NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role site_membership_role NOT NULL DEFAULT 'owner'
);

CREATE TABLE goals (
    id bigserial PRIMARY KEY,
    site_id bigint NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
    event_name text,
    page_path text,
    currency varchar(255), -- since 2023-06
    inserted_at timestamp(0) NOT NULL DEFAULT now()
);

CREATE TABLE tracker_script_configuration (id varchar(255) PRIMARY KEY, site_id bigint NOT NULL UNIQUE REFERENCES sites (id) ON DELETE CASCADE, installation_type varchar(255), track_404_pages boolean NOT NULL DEFAULT false, hash_based_routing boolean NOT NULL DEFAULT false, outbound_links boolean NOT NULL DEFAULT false, file_downloads boolean NOT NULL DEFAULT false, form_submissions boolean NOT NULL DEFAULT false); -- since 2025-06

CREATE TABLE salts (
    id bigserial PRIMARY KEY,
    salt bytea NOT NULL,
    inserted_at timestamp(0) NOT NULL
);

CREATE TABLE shield_rules_ip (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), site_id bigint NOT NULL REFERENCES sites (id) ON DELETE CASCADE, inet inet NOT NULL, action varchar(255) NOT NULL DEFAULT 'deny', description varchar(255), added_by varchar(255)); -- since 2024-01

CREATE TABLE shield_rules_country (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), site_id bigint NOT NULL REFERENCES sites (id) ON DELETE CASCADE, country_code text NOT NULL, action varchar(255) NOT NULL DEFAULT 'deny', added_by varchar(255)); -- since 2024-02

CREATE TABLE shield_rules_page (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), site_id bigint NOT NULL REFERENCES sites (id) ON DELETE CASCADE, page_path text NOT NULL, page_path_pattern text NOT NULL, action varchar(255) NOT NULL DEFAULT 'deny', added_by varchar(255)); -- since 2024-03

CREATE TABLE shield_rules_hostname (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), site_id bigint NOT NULL REFERENCES sites (id) ON DELETE CASCADE, hostname text NOT NULL, hostname_pattern text NOT NULL, action varchar(255) NOT NULL DEFAULT 'allow', added_by varchar(255)); -- since 2024-04
