-- SPDX-License-Identifier: Apache-2.0
-- Dead letters remember how they were edited and what redriving them said.
SET ROLE pulse_owner;

ALTER TABLE public.dead_letters
    ADD COLUMN original_payload bytea,
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN edited_by text,
    ADD COLUMN redrives integer NOT NULL DEFAULT 0 CHECK (redrives >= 0),
    ADD COLUMN last_error text,
    ADD CONSTRAINT dead_letters_edited CHECK ((original_payload IS NULL) = (edited_at IS NULL));
COMMENT ON COLUMN public.dead_letters.payload IS 'The record''s bytes as received, or as they were edited';
COMMENT ON COLUMN public.dead_letters.original_payload IS 'The bytes before the first edit (by trigger, never changed again); NULL: not edited';
COMMENT ON COLUMN public.dead_letters.edited_at IS 'When payload was last changed, UTC (by trigger); NULL: never';
COMMENT ON COLUMN public.dead_letters.edited_by IS 'Who changed it last, as they said it, else the login; NULL: nobody';
COMMENT ON COLUMN public.dead_letters.redrives IS 'How often it was sent again and acknowledged by Kafka (by trigger: each change of redriven_at), >= 0';
COMMENT ON COLUMN public.dead_letters.last_error IS 'Why the last redrive did not succeed, in a sentence; NULL: it was not tried or it succeeded';

CREATE FUNCTION store.dead_letters_history() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.original_payload := OLD.original_payload;
    NEW.edited_at := OLD.edited_at;
    NEW.redrives := OLD.redrives;
    IF NEW.payload IS DISTINCT FROM OLD.payload THEN
        NEW.original_payload := coalesce(OLD.original_payload, OLD.payload);
        NEW.edited_at := now();
        NEW.edited_by := coalesce(NEW.edited_by, session_user);
    END IF;
    IF NEW.redriven_at IS DISTINCT FROM OLD.redriven_at AND NEW.redriven_at IS NOT NULL THEN
        NEW.redrives := OLD.redrives + 1;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION store.dead_letters_history() IS
'BEFORE UPDATE trigger of dead_letters: keeps the original bytes, the time of the edit and the number of redrives, whoever changes the row';
CREATE TRIGGER history BEFORE UPDATE ON public.dead_letters
    FOR EACH ROW EXECUTE FUNCTION store.dead_letters_history();
COMMENT ON TRIGGER history ON public.dead_letters IS 'Keeps the original bytes, counts redrives';

-- The rows each role may change stay those of its policy: the api its
-- tenant's, the command all.
GRANT UPDATE (edited_by, last_error) ON public.dead_letters TO pulse_api, pulse_admin;

RESET ROLE;
