import { Handed, type Log, type LogRecord, type Reader } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { openLog } from '../beekeeper/open-log.ts'
import { loadConfig } from '../config/config.ts'
import { exitStatus } from './exit-status.ts'

export interface TopicsOptions {
  readonly log?: string
  readonly json: boolean
}

/** `waggle topics list`: prints the topics of the log. */
export async function listTopics(options: TopicsOptions): Promise<number> {
  return withLog(options, async (log) => {
    const infos = []
    for (const name of (await log.topics()).toSorted()) infos.push(await log.topic(name))
    const topics = infos.flatMap((info) => (info === null ? [] : [info]))
    const records = (offsets: readonly { readonly start: number; readonly end: number }[]) =>
      offsets.reduce((sum, { start, end }) => sum + end - start, 0)
    if (options.json) {
      const rows = topics.map(({ name, partitions, cleanup, retentionMs, offsets }) => ({
        name,
        partitions,
        cleanup,
        retention_ms: retentionMs,
        offsets,
      }))
      process.stdout.write(`${JSON.stringify(rows)}\n`)
      return exitStatus.done
    }
    const width = Math.max(5, ...topics.map(({ name }) => name.length))
    const line = (name: string, partitions: string, cleanup: string, count: string) =>
      process.stdout.write(`${name.padEnd(width)}  ${partitions.padStart(10)}  ${cleanup.padEnd(14)}  ${count.padStart(10)}\n`)
    line('topic', 'partitions', 'cleanup', 'records')
    for (const { name, partitions, cleanup, offsets } of topics) line(name, String(partitions), cleanup, String(records(offsets)))
    return exitStatus.done
  })
}

/** `waggle topics tail TOPIC`: prints records as they are committed, until a signal or `max` records. */
export async function tailTopic(
  name: string,
  options: TopicsOptions & { readonly fromBeginning: boolean; readonly max: number | null },
): Promise<number> {
  return withLog(options, async (log) => {
    const info = await log.topic(name)
    if (info === null) {
      throw new WaggleError('WAGGLE_MISSING_TOPIC', { message: `The topic ${name} does not exist`, next: 'See `waggle topics list`.' })
    }
    const from = options.fromBeginning ? null : -1
    const readers = info.offsets.map(({ start }, partition) => log.read({ topic: name, partition, from: from ?? start }))
    let left = options.max ?? Number.POSITIVE_INFINITY
    const stop = () => void Promise.all(readers.map((reader) => reader.close()))
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
    const follow = async (reader: Reader, partition: number) => {
      for await (const { records } of reader) {
        for (const record of records) {
          if (left-- <= 0) return
          process.stdout.write(`${options.json ? jsonOf(name, partition, record) : textOf(partition, record)}\n`)
          if (left === 0) stop()
        }
      }
    }
    await Promise.all(readers.map(follow))
    return exitStatus.done
  })
}

async function withLog(options: TopicsOptions, work: (log: Log) => Promise<number>): Promise<number> {
  const env = options.log === undefined ? process.env : { ...process.env, WAGGLE_LOG: options.log }
  const log = await openLog(loadConfig({ directories: [process.cwd()], env }).settings)
  try {
    return await work(log)
  } finally {
    await log.close()
  }
}

function jsonOf(topic: string, partition: number, { offset, timestamp, key, value, headers }: LogRecord): string {
  const named = Object.fromEntries(headers.map((header) => [header.key, header.value === null ? null : shown(header.value)]))
  return JSON.stringify({ topic, partition, offset, timestamp, key: key === null ? null : shown(key), headers: named, value: textOfValue(value) })
}

function textOf(partition: number, { offset, timestamp, key, value }: LogRecord): string {
  const shownValue = textOfValue(value)
  const place = `${partition}/${offset}`.padEnd(10)
  return `${place} ${new Date(timestamp).toISOString()}  ${key === null ? '-' : shown(key)}  ${shownValue === null ? '-' : shownValue}`
}

function textOfValue(value: LogRecord['value']): string | null {
  return value === null ? null : shown(value instanceof Handed ? value.bytes : value)
}

/** The text of the bytes, or their number where they are no text. */
function shown(bytes: Uint8Array): string {
  try {
    const text = utf8.decode(bytes)
    return isControl.test(text) ? `<${bytes.length} bytes>` : text
  } catch {
    return `<${bytes.length} bytes>`
  }
}

/** Control characters that a text does not have; white space is allowed. */
const isControl = /[^\P{Cc}\s]/u
const utf8 = new TextDecoder('utf-8', { fatal: true })
