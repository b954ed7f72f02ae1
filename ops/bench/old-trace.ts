import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { openEmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { bytesIn, DamagedValue, type Log, type LogRecord, type TopicPartition } from '../../processor/ports.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { textHeader } from '../../topology/record.ts'
import { requestIdHeader } from '../../topology/swarm/request/headers.ts'
import type { RequestTrace } from '../../topology/swarm/request/request-trace.ts'
import { applicationIdOf } from '../../topology/topic-names.ts'
import { timeOfUuid, uuidOf } from '../../topology/uuid.ts'
import { MeasuredProgram } from './measured-program.ts'
import type { Table } from './table.ts'

/**
 * Measures `GET /v1/requests/{id}/trace` for a request that is an hour old. The log has copies of the records of an answered request, with older
 * times: one for the measured request, and `records` later ones. The copies are written between two runs of the process. The floor is a trace of the
 * youngest request.
 */
export async function oldTrace({ records }: { readonly records: number }): Promise<Table> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  writeFileSync(join(directory, 'swarm.yaml'), swarm)
  writeFileSync(join(directory, 'same.mjs'), 'export default (input) => input\n')
  const start = () =>
    MeasuredProgram.start([resolve(import.meta.dirname, '..', 'cli', 'main.ts'), 'run', join(directory, 'swarm.yaml'), '--json'], {
      WAGGLE_DATA_DIR: join(directory, 'data'),
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_CLICKHOUSE_PORT: '0',
    })
  try {
    const first = await start()
    const id = await answered(first.ready.gateway)
    await first.stop()
    const log = await openEmbeddedLog({ directory: join(directory, 'data', 'log'), clock: systemClock })
    const written = await copied(log, { id, records }).finally(() => log.close())
    const second = await start()
    try {
      const youngest = await answered(second.ready.gateway)
      const rows = []
      for (const [name, one, later] of [
        ['an hour old', written.oldest, written.later],
        ['the youngest', youngest, 0],
      ] as const)
        rows.push([name, later, ...(await traced(second.ready.gateway, one))])
      return {
        title: 'The trace of a request among later records',
        columns: ['request', 'records after it', 'steps', 'first trace, ms', 'median ms', 'longest ms'],
        rows,
        names: 1,
        floorRow: 'the youngest',
      }
    } finally {
      await second.stop()
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function answered(gateway: string): Promise<string> {
  const init = { method: 'POST', body: '{"name":"Bea"}', headers: { 'content-type': 'application/json' } }
  const response = await fetch(`${gateway}/v1/gateways/door/request`, init)
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`The swarm answered ${response.status}`)
  return response.headers.get('x-request-id') ?? ''
}

/** The number of steps, and three times: of the first trace, of the median trace and of the longest trace. */
async function traced(gateway: string, id: string): Promise<readonly number[]> {
  const times: number[] = []
  let steps = 0
  for (let at = 0; at < traces; at++) {
    const startedMs = systemClock.elapsedMs()
    const response = await fetch(`${gateway}/v1/requests/${id}/trace`)
    const trace = (await response.json()) as RequestTrace
    times.push(systemClock.elapsedMs() - startedMs)
    if (!response.ok || !trace.complete || trace.state !== 'answered') throw new Error(`The trace of ${id} has the status ${response.status}`)
    steps = trace.steps.length
  }
  const [first = Number.NaN] = times
  const sorted = times.toSorted((one, other) => one - other)
  return [steps, first, sorted[sorted.length >> 1] ?? Number.NaN, sorted.at(-1) ?? Number.NaN]
}

/**
 * Writes copies of the request's records. The oldest copy is an hour old. Returns the id of the oldest copy, and the number of records after this
 * copy.
 */
async function copied(log: Log, { id, records }: { readonly id: string; readonly records: number }) {
  const templates = await recordsOf(log, id)
  if (templates.length < 4) throw new Error(`The log has only ${templates.length} records of a request`)
  const requests = Math.ceil(records / templates.length) + 1
  const producer = await log.taskProducer({ group: applicationIdOf('old-trace') })
  const partitions = new Map<string, number>()
  for (const topic of await log.topics()) partitions.set(topic, (await log.topic(topic))?.offsets.length ?? 1)
  const random = new SystemRandom()
  const from = systemClock.now() - hourMs
  let oldest = ''
  for (let at = 0; at < requests; at++) {
    const timestamp = from + Math.floor((at * (hourMs - endMs)) / requests)
    const own = idAt(timestamp, random.bytes(16))
    if (at === 0) oldest = own
    for (const { topic, record } of templates) {
      const partition = partitionForKey(Buffer.from(own), partitions.get(topic) ?? 1)
      const { key, value } = record
      if (value instanceof DamagedValue) throw value.error
      producer.append({
        ...{ topic, partition, timestamp },
        key: key === null ? null : Buffer.from(own),
        value: bytesIn(value),
        headers: record.headers.map((header) => (header.key === requestIdHeader ? textHeader(requestIdHeader, own) : header)),
      })
    }
    if (at % requestsACommit === requestsACommit - 1) await producer.commit({ positions: [], state: [] })
  }
  // The swarm's positions are after all copies, so the next run does not answer the copies.
  await producer.commit({ positions: [], state: [] })
  await producer.commit({ positions: await ends(log), state: [] })
  await producer.close()
  return { oldest, later: (requests - 1) * templates.length }
}

async function ends(log: Log) {
  const positions: (TopicPartition & { readonly offset: number; readonly metadata: string })[] = []
  for (const topic of await log.topics())
    for (const [partition, { end }] of ((await log.topic(topic))?.offsets ?? []).entries())
      positions.push({ topic, partition, offset: end, metadata: '' })
  return positions
}

/** The records of the only request on the log. */
async function recordsOf(log: Log, id: string): Promise<readonly { readonly topic: string; readonly record: LogRecord }[]> {
  const found: { readonly topic: string; readonly record: LogRecord }[] = []
  for (const topic of await log.topics())
    for (const [partition, { start, end }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
      if (start >= end) continue
      for await (const { records } of log.read({ topic, partition, from: start, to: end }))
        for (const record of records) if (isOf(record, id)) found.push({ topic, record })
    }
  return found
}

function isOf({ key, headers }: LogRecord, id: string): boolean {
  const told = headers.find((header) => header.key === requestIdHeader)?.value
  return (key !== null && Buffer.from(key).toString() === id) || (told !== undefined && told !== null && Buffer.from(told).toString() === id)
}

/** A UUIDv7 of this time. */
function idAt(ms: number, bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes)
  buffer.writeUIntBE(ms, 0, 6)
  const id = uuidOf(buffer, 7)
  if (timeOfUuid(id) !== ms) throw new Error(`${id} is not of ${ms}`)
  return id
}

const hourMs = 3_600_000
/** The time between the youngest copy and now. */
const endMs = 5000
const requestsACommit = 500
const traces = 20
const swarm = `name: old-trace
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: first, type: module, input: {name: entrance}, spec: {file: ./same.mjs}}
  - {name: second, type: module, input: {name: first}, spec: {file: ./same.mjs}}
  - {name: answer, type: respond, input: {name: second}}
`
