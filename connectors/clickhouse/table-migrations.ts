/**
 * The full name of a table or view that belongs to a table of predictions. The ending `''` names the view that users query, and `rows` names the
 * table of the rows.
 */
export type PlaceOf = (ending: string) => string

/**
 * One change of the views, columns and indexes of a table of predictions. Migrations run in order at the start, and `waggle_migrations` lists the
 * migrations that have run. A released migration is never edited; a new change is a new migration. A migration that runs twice has no further effect,
 * because two processes may start together.
 */
export interface TableMigration {
  readonly version: number
  readonly name: string
  /** True if rows cannot be saved without the migration. If the server refuses any other migration, the migration is skipped with a warning. */
  readonly isNeeded: boolean
  /** The ending of the view for questions that the migration creates; null if it creates no such view. */
  readonly view: string | null
  readonly statement: (place: PlaceOf) => string
}

/** The journal of migrations. Each database has one journal. */
export const journalTable = 'waggle_migrations'

/** Creates the journal. A migration that is written twice counts once. */
export function journalStatement(place: string): string {
  return `CREATE TABLE IF NOT EXISTS ${place} (table_name String, version UInt16, name String, applied_at DateTime64(3))
    ENGINE = ReplacingMergeTree ORDER BY (table_name, version)`
}

/** The migrations of a table with these columns. `settings` and `identity` are the settings and the sorting key of the table of rows. */
export function tableMigrations({
  columns,
  settings,
  identity,
}: {
  readonly columns: readonly (readonly [name: string, type: string])[]
  readonly settings: string
  readonly identity: string
}): readonly TableMigration[] {
  return [
    {
      version: 1,
      name: 'rows',
      isNeeded: true,
      view: null,
      statement: (place) => `CREATE TABLE IF NOT EXISTS ${place('rows')} (${columns.map(([column, type]) => `\`${column}\` ${type}`).join(', ')})
        ENGINE = ReplacingMergeTree ORDER BY (${identity})
        SETTINGS ${settings}`,
    },
    {
      version: 2,
      name: 'view with FINAL',
      isNeeded: true,
      view: null,
      statement: (place) => `CREATE VIEW IF NOT EXISTS ${place('')} AS SELECT * FROM ${place('rows')} FINAL`,
    },
    {
      version: 3,
      name: 'index of times',
      isNeeded: false,
      view: null,
      // Request ids begin with a time. A block of the sorting key therefore has similar times, and a question about one hour reads few blocks.
      statement: (place) => `ALTER TABLE ${place('rows')} ADD INDEX IF NOT EXISTS times predicted_at TYPE minmax GRANULARITY 1`,
    },
    {
      version: 4,
      name: 'version of the model',
      isNeeded: false,
      view: null,
      // SELECT * leaves out a materialized column, so the view that users query keeps its columns.
      statement: (place) => `ALTER TABLE ${place('rows')} ADD COLUMN IF NOT EXISTS version String MATERIALIZED JSONExtractString(payload, 'version')`,
    },
    { version: 5, name: 'view by hour', isNeeded: false, view: 'by_hour', statement: byHour },
    { version: 6, name: 'view of disagreements', isNeeded: false, view: 'disagreements', statement: disagreements },
    { version: 7, name: 'view of drift', isNeeded: false, view: 'drift', statement: drift },
  ]
}

/** For each hour, bee, model and version: the number of predictions, the quantiles of their latency, and the share of each label. */
function byHour(place: PlaceOf): string {
  return `CREATE VIEW IF NOT EXISTS ${place('by_hour')} AS
    SELECT hour, swarm, bee, model, version, predictions, p50_ms, p95_ms, p99_ms, mean_batch_size,
      CAST((mapKeys(counts), arrayMap(one -> one / predictions, mapValues(counts))), 'Map(String, Float64)') AS label_shares
    FROM (
      SELECT toStartOfHour(predicted_at) AS hour, swarm, bee, model, version, count() AS predictions,
        quantile(0.5)(latency_ms) AS p50_ms, quantile(0.95)(latency_ms) AS p95_ms, quantile(0.99)(latency_ms) AS p99_ms,
        avg(batch_size) AS mean_batch_size, sumMap(map(label, toUInt64(1))) AS counts
      FROM ${place('rows')} FINAL GROUP BY hour, swarm, bee, model, version
    )`
}

/** Each request for which models chose different labels, with the label and the score of each bee. */
function disagreements(place: PlaceOf): string {
  return `CREATE VIEW IF NOT EXISTS ${place('disagreements')} AS
    SELECT swarm, request_id, max(predicted_at) AS last_predicted_at, count() AS models, uniqExact(label) AS different_labels,
      CAST((groupArray(bee), groupArray(label)), 'Map(String, String)') AS labels,
      CAST((groupArray(bee), groupArray(score)), 'Map(String, Float64)') AS label_scores
    FROM ${place('rows')} FINAL WHERE label != ''
    GROUP BY swarm, request_id HAVING different_labels > 1`
}

/**
 * Compares the scores of the last seven days with the scores of the seven days before, by bee, model and label. `population_stability` is the
 * population stability index over ten equal ranges of the score from 0 to 1. Below 0.1 the scores have hardly changed; above 0.25 they have changed
 * much.
 */
function drift(place: PlaceOf): string {
  return `CREATE VIEW IF NOT EXISTS ${place('drift')} AS
    SELECT swarm, bee, model, label, predictions, predictions_before, mean_score, mean_score_before, mean_score - mean_score_before AS drift,
      arraySum((now_part, part_before) -> (now_part - part_before) * log(now_part / part_before),
        arrayMap(one -> (one + 0.5) / (predictions + 5), histogram), arrayMap(one -> (one + 0.5) / (predictions_before + 5), histogram_before)
      ) AS population_stability
    FROM (
      SELECT swarm, bee, model, label, countIf(is_recent) AS predictions, countIf(NOT is_recent) AS predictions_before,
        avgIf(label_score, is_recent) AS mean_score, avgIf(label_score, NOT is_recent) AS mean_score_before,
        sumForEachIf(ranges, is_recent) AS histogram, sumForEachIf(ranges, NOT is_recent) AS histogram_before
      FROM (
        SELECT swarm, bee, model, tupleElement(pair, 1) AS label, tupleElement(pair, 2) AS label_score, is_recent,
          arrayMap(at -> toUInt64(least(9, greatest(0, floor(label_score * 10))) = at), range(10)) AS ranges
        FROM (
          SELECT swarm, bee, model, predicted_at >= now() - INTERVAL 7 DAY AS is_recent,
            arrayJoin(arrayZip(mapKeys(scores), mapValues(scores))) AS pair
          FROM ${place('rows')} FINAL WHERE predicted_at >= now() - INTERVAL 14 DAY
        )
      )
      GROUP BY swarm, bee, model, label
    ) WHERE predictions > 0 AND predictions_before > 0`
}
