-- SPDX-License-Identifier: Apache-2.0
-- The demo of `make up`: a tenant, its key, a rule and a channel. May run again.
INSERT INTO tenants (tenant_id, name) VALUES ('demo', 'Demo of make up')
ON CONFLICT DO NOTHING;

INSERT INTO api_keys (key_id, tenant_id, scopes, secret_hash, description)
VALUES (:'key_id', 'demo', '{write,read}', decode(:'key_hash', 'hex'),
        'printed by make up')
ON CONFLICT DO NOTHING;

INSERT INTO notification_channels (tenant_id, name, kind, url, secrets)
VALUES ('demo', 'on-call', 'webhook', :'webhook_url', ARRAY[:'webhook_secret'])
ON CONFLICT (tenant_id, name) DO UPDATE
    SET url = excluded.url, secrets = excluded.secrets
    WHERE (notification_channels.url, notification_channels.secrets)
          IS DISTINCT FROM (excluded.url, excluded.secrets);

INSERT INTO alert_rules (tenant_id, name, description, metric_type, threshold,
                         condition, severity, channels)
VALUES ('demo', 'overheating', 'A device is above 80 degrees for 3 seconds.',
        'temperature', 80,
        '{"aggregation": "last", "operator": ">", "for": "3s", "clear": "10s"}',
        'critical', '{on-call}')
ON CONFLICT DO NOTHING;
