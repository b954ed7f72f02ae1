import type { PredictionQuestion } from '../../topology/swarm/prediction-numbers.ts'
import { quotedText } from './reader-statement.ts'

interface QuestionOptions {
  readonly swarm: string
  /** Epoch milliseconds. */
  readonly from: number
  readonly to: number
  readonly stepMs: number
  /** The place of the view with this ending; `''` is the ending of the view that users query. */
  readonly place: (ending: string) => string
}

/** The most rows of an answer. A query asks for one more row, to learn whether rows are left out. */
export const maxAnswerRows = 5000

/** The SQL of a question. All parts of the SQL are constants, except for the swarm's name, which is quoted. */
export function questionSql(question: PredictionQuestion, options: QuestionOptions): string {
  return `${queries[question](options)} LIMIT ${question === 'disagreements' ? maxDisagreements : maxAnswerRows + 1}`
}

const queries: { readonly [question in PredictionQuestion]: (options: QuestionOptions) => string } = {
  counts: (options) => `SELECT ${at(options)}, bee, if((bee, label) IN (
      SELECT bee, label FROM ${options.place('')} WHERE ${within(options)} GROUP BY bee, label ORDER BY count() DESC, bee, label LIMIT ${maxLabels}
    ), label, '(others)') AS shown_label, count() AS predictions
    FROM ${options.place('')} WHERE ${within(options)} GROUP BY at, bee, shown_label ORDER BY at, bee, shown_label`,
  latency: (options) => `SELECT ${at(options)}, bee, quantile(0.5)(latency_ms) AS p50_ms, quantile(0.95)(latency_ms) AS p95_ms,
      quantile(0.99)(latency_ms) AS p99_ms, count() AS predictions
    FROM ${options.place('')} WHERE ${within(options)} GROUP BY at, bee ORDER BY at, bee`,
  disagreement: (options) => `SELECT at, count() AS requests, countIf(labels > 1) AS disagreeing FROM (
      SELECT ${at(options, 'max(predicted_at)')}, uniqExact(label) AS labels FROM ${options.place('')}
      WHERE ${within(options)} AND label != '' GROUP BY request_id HAVING count() > 1
    ) GROUP BY at ORDER BY at`,
  disagreements: (options) => `SELECT toUnixTimestamp64Milli(max(predicted_at)) AS at, request_id,
      CAST((groupArray(bee), groupArray(label)), 'Map(String, String)') AS labels
    FROM ${options.place('')} WHERE ${within(options)} AND label != '' GROUP BY request_id HAVING uniqExact(label) > 1
    ORDER BY at DESC, request_id`,
  drift: (options) => `SELECT bee, model, label, predictions, predictions_before, mean_score, mean_score_before, drift, population_stability
    FROM ${options.place('drift')} WHERE swarm = ${quotedText(options.swarm)} ORDER BY abs(drift) DESC, bee, label`,
}

function at({ stepMs }: QuestionOptions, time = 'predicted_at'): string {
  return `toUnixTimestamp(toStartOfInterval(${time}, INTERVAL ${Math.max(1, Math.round(stepMs / 1000))} SECOND)) * 1000 AS at`
}

function within({ swarm, from, to }: QuestionOptions): string {
  const time = (ms: number) => `fromUnixTimestamp64Milli(toInt64(${Math.floor(ms)}))`
  return `swarm = ${quotedText(swarm)} AND predicted_at >= ${time(from)} AND predicted_at < ${time(to)}`
}

const maxLabels = 24
const maxDisagreements = 20
