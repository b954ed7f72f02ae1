import { Type } from 'typebox'
import { tableNameOf } from '../../topology/swarm/check/table-name.ts'
import type { PredictionRow } from '../../topology/swarm/ports/database.ts'
import { type BeeRequest, defineBee } from '../define-bee.ts'

export default defineBee({
  type: 'save-to-database',
  role: 'sink',
  keepsInput: true,
  summary: 'Saves every prediction as a row in ClickHouse.',
  delivery:
    'A row is identified by (swarm, bee, request_id): written again after a crash it is still one row. While ClickHouse is away rows wait in the log.',
  spec: Type.Object(
    { table: Type.String({ minLength: 1, description: 'The table, made when it is missing; database.table for another database.' }) },
    { additionalProperties: false, required: ['table'] },
  ),
  examples: [{ table: 'inferences' }],
  // A ClickHouse insert of a thousand rows costs as much as an insert of one row, and each insert makes a part that ClickHouse must merge later.
  batch: () => ({ size: 1000, timeoutMs: 500, release: 'full' }),
  async check({ spec }) {
    tableNameOf(spec.table)
  },
  async create({ spec, swarm, ports, log }) {
    const table = await ports.database.openTable({ table: spec.table, log })
    return {
      async processBatch(inputs: readonly unknown[], requests: readonly BeeRequest[]) {
        const rows = inputs.flatMap((input, at) => {
          const request = requests[at]
          return request === undefined ? [] : [rowOf(swarm, input, request)]
        })
        await table.insert(rows, requests[0]?.signal ?? neverAborted)
        return rows.map(() => null)
      },
      close: () => table.close(),
    }
  },
})

/** Makes a row with the label, scores and model of a prediction. For any other input, the row contains only the payload. */
function rowOf(swarm: string, input: unknown, { id, source }: BeeRequest): PredictionRow {
  const said = input !== null && typeof input === 'object' ? (input as { readonly [key: string]: unknown }) : {}
  const label = typeof said.label === 'string' ? said.label.toWellFormed() : ''
  const scores = scoresOf(said.scores)
  return {
    swarm,
    bee: source.bee,
    request_id: id,
    model: typeof said.model === 'string' ? said.model.toWellFormed() : '',
    label,
    score: scores.get(label) ?? 0,
    scores: Object.fromEntries(scores),
    payload: jsonOf(input),
    latency_ms: source.startedAt === null || source.finishedAt === null ? 0 : source.finishedAt - source.startedAt,
    batch_size: source.batchSize ?? 1,
    predicted_at: Math.min(Math.max(source.finishedAt ?? source.timestamp, 0), latestMs),
    topic: source.topic,
    partition: source.partition,
    offset: source.offset,
  }
}

/** The finite scores by label. Lone surrogates in labels are replaced, because ClickHouse would refuse the whole block. */
function scoresOf(scores: unknown): ReadonlyMap<string, number> {
  if (scores === null || typeof scores !== 'object') return new Map()
  return new Map(
    Object.entries(scores).flatMap(([label, score]) =>
      typeof score === 'number' && Number.isFinite(score) ? [[label.toWellFormed(), score] as const] : [],
    ),
  )
}

/** A time in the year 2286. DateTime64 cannot represent much later times, but the writer of a record may choose any timestamp. */
const latestMs = 9_999_999_999_999

function jsonOf(input: unknown): string {
  if (input instanceof Uint8Array) return JSON.stringify({ bytes: input.length })
  return JSON.stringify(input, (_, value: unknown) => (ArrayBuffer.isView(value) ? { bytes: value.byteLength } : value))
}

const neverAborted = new AbortController().signal
