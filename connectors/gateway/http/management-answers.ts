import { type TSchema, Type } from 'typebox'
import { predictionQuestions } from '../../../topology/swarm/prediction-numbers.ts'
import { nullable } from './described-route.ts'

/** Schemas of the answers that operators get, for the description of the API. They do not serialize responses. */

const texts = Type.Array(Type.String())
const map = (value: TSchema) => Type.Object({}, { additionalProperties: value })
const place = { topic: Type.String(), partition: Type.Integer(), offset: Type.Integer() }

export const processAnswer = Type.Object({ instance: Type.String(), clickhouse_url: nullable(Type.String()) })

export const topicRows = Type.Array(
  Type.Object({
    name: Type.String(),
    partitions: Type.Integer(),
    cleanup: Type.String(),
    retention_ms: nullable(Type.Number()),
    offsets: Type.Array(Type.Object({ start: Type.Integer(), end: Type.Integer() })),
  }),
)

export const recordPage = Type.Object({
  records: Type.Array(
    Type.Object({
      ...place,
      timestamp: Type.Number(),
      key: nullable(Type.String()),
      headers: map(nullable(Type.String())),
      value: nullable(Type.String()),
    }),
  ),
  next: Type.String(),
})

export const deadLetter = Type.Object({
  id: Type.String(),
  swarm: Type.String(),
  bee: Type.String(),
  code: Type.String(),
  cause: Type.String(),
  request_id: nullable(Type.String()),
  ...place,
  timestamp: Type.Number(),
  content_type: nullable(Type.String()),
  content: nullable(Type.String()),
})

export const deadLetterPage = Type.Object({ dead_letters: Type.Array(deadLetter), next: nullable(Type.String()) })

export const settledLetters = Type.Object({
  settled: texts,
  failed: Type.Array(Type.Object({ id: Type.String(), code: Type.String(), detail: Type.String() })),
  next: nullable(Type.String()),
})

export const retriedLetter = Type.Object({ request_id: Type.String(), ...place })

export const replayPage = Type.Object({
  replay: Type.String(),
  to: Type.Number(),
  requests: Type.Array(Type.Object({ request_id: Type.String(), replay_of: Type.String(), gateway: Type.String(), accepted_at: Type.Number() })),
  skipped: Type.Integer(),
  next: nullable(Type.String()),
})

const traceError = Type.Object({ code: Type.String(), detail: Type.String(), bee: Type.String() })
const requestStates = Type.Enum(['pending', 'answered', 'failed'])

export const requestPage = Type.Object({
  requests: Type.Array(
    Type.Object({
      request_id: Type.String(),
      swarm: Type.String(),
      gateway: nullable(Type.String()),
      state: requestStates,
      accepted_at: Type.Number(),
      finished_at: nullable(Type.Number()),
      error: nullable(traceError),
    }),
  ),
  next: nullable(Type.String()),
})

export const requestTrace = Type.Object({
  request_id: Type.String(),
  swarm: nullable(Type.String()),
  gateway: nullable(Type.String()),
  state: nullable(requestStates),
  accepted_at: nullable(Type.Number()),
  complete: Type.Boolean(),
  steps: Type.Array(
    Type.Object({
      bee: Type.String(),
      ...place,
      started_at: nullable(Type.Number()),
      finished_at: nullable(Type.Number()),
      waited_ms: nullable(Type.Number()),
      worked_ms: nullable(Type.Number()),
      batch_size: nullable(Type.Integer()),
      batch_sent: nullable(Type.String()),
      batch_mates: texts,
      attempt: Type.Integer(),
      model: nullable(Type.String()),
      model_version: nullable(Type.String()),
      parts: Type.Optional(Type.Object({ count: Type.Integer(), first_at: Type.Number() })),
      round: nullable(Type.String()),
      passed: Type.Boolean(),
      error: nullable(traceError),
      after: texts,
    }),
  ),
})

export const modelRow = Type.Object({
  swarm: Type.String(),
  bee: Type.String(),
  type: Type.String(),
  model: Type.String(),
  runs_on: Type.String(),
  why: nullable(Type.String()),
  refused_total: Type.Integer(),
  signature: Type.Object({ inputs: texts, outputs: texts }),
  versions: Type.Array(
    Type.Object({
      version: nullable(Type.String()),
      names: texts,
      state: Type.Enum(['serving', 'loaded', 'shadow', 'loading', 'draining', 'refused', 'incomplete']),
      share: Type.Number(),
      runs_on: nullable(Type.String()),
      loaded_at: nullable(Type.Number()),
      error: nullable(Type.Object({ code: Type.String(), detail: Type.String(), next: Type.String() })),
    }),
  ),
})

const bytes = nullable(Type.Object({ bytes: Type.Integer(), max_bytes: Type.Integer() }))

export const liveSwarm = Type.Object({
  swarm: Type.String(),
  tasks: Type.Integer(),
  lags: Type.Array(Type.Object({ bee: Type.String(), topic: Type.String(), partition: Type.Integer(), records: Type.Integer() })),
  joins: Type.Array(Type.Object({ bee: Type.String(), waits_for: texts, pending: Type.Integer(), is_cut: Type.Boolean() })),
  stores: Type.Array(
    Type.Object({
      name: Type.String(),
      bees: texts,
      kind: Type.String(),
      entries: Type.Integer(),
      is_cut: Type.Boolean(),
      bytes: Type.Integer(),
      bytes_are_cut: Type.Boolean(),
    }),
  ),
  database: nullable(Type.Object({ bytes: Type.Integer(), has_log: Type.Boolean() })),
  parts: Type.Array(Type.Object({ bee: Type.String(), parts: Type.Integer(), bytes: Type.Integer() })),
  replicas: Type.Array(Type.Object({ bee: Type.String(), replicas: Type.Integer(), grown: Type.Integer(), shrunk: Type.Integer() })),
  log: bytes,
  claims: bytes,
})

export const predictionTables = Type.Array(Type.Object({ swarm: Type.String(), bee: Type.String(), table: Type.String() }))

export const predictionAnswer = Type.Object({
  question: Type.Enum([...predictionQuestions]),
  swarm: Type.String(),
  table: Type.String(),
  hours: Type.Integer(),
  from: Type.Number(),
  to: Type.Number(),
  step_ms: Type.Number(),
  rows: Type.Array(map(Type.Union([Type.String(), Type.Number(), Type.Null(), map(Type.String())]))),
  cut: Type.Boolean(),
})

export const processProfile = Type.Object({
  started_at: Type.Number(),
  seconds: Type.Number(),
  threads: Type.Array(
    Type.Object({
      thread: Type.String(),
      file: Type.String(),
      cpu: nullable(Type.Object({}, { additionalProperties: true, description: 'A .cpuprofile of V8.' })),
      allocations: nullable(Type.Object({}, { additionalProperties: true, description: 'A .heapprofile of V8.' })),
    }),
  ),
  bees: Type.Array(
    Type.Object({
      swarm: Type.String(),
      bee: Type.String(),
      calls: Type.Integer(),
      rows: Type.Integer(),
      wait_ms: nullable(Type.Number()),
      call_ms: nullable(Type.Number()),
    }),
  ),
})

export const logLevel = Type.Object({ level: Type.String() })

const token = {
  name: Type.String(),
  scopes: texts,
  priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 9 })),
  created_at: Type.String(),
}
export const tokenRows = Type.Array(Type.Object(token))
export const newTokenAnswer = Type.Object({ ...token, token: Type.String() })

export const secretRows = Type.Array(Type.Object({ name: Type.String() }))

export const writtenBackup = Type.Object({ directory: Type.String(), files: Type.Integer(), bytes: Type.Integer() })
