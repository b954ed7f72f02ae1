import type { LogManagement, ShownRecord, TopicRow } from '../../topology/swarm/log-management.ts'
import { managementLimits } from '../../topology/swarm/log-management.ts'
import { loadConfig } from '../config/config.ts'
import type { Settings } from '../config/settings.ts'
import { withManagement } from '../inspection/open-management.ts'
import { hintAtEmptyLog } from './empty-log-hint.ts'
import { exitStatus } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'
import { timeText } from './time-text.ts'

/** The options of commands that read a log. */
export interface LogOptions {
  readonly log?: string
  /** The address of a running process. Default: the process that has the data directory open. */
  readonly url?: string
  readonly json: boolean
}

/** `waggle topics list`: prints the topics of the log. */
export async function listTopics(options: LogOptions): Promise<number> {
  return onLog(options, async (management, settings) => {
    const topics = await management.topics()
    process.stdout.write(options.json ? `${JSON.stringify(topics)}\n` : tableOf(topics))
    await hintAtEmptyLog(management, settings, options.json)
    return exitStatus.done
  })
}

/** `waggle topics tail TOPIC`: prints decoded records as they are committed, until a signal or until `max` records were printed. */
export async function tailTopic(
  topic: string,
  options: LogOptions & { readonly fromBeginning: boolean; readonly max: number | null },
): Promise<number> {
  return onLog(options, async (management) => {
    let isStopped = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        isStopped = true
        void management.close()
      })
    }
    let left = options.max ?? Number.POSITIVE_INFINITY
    let from = options.fromBeginning ? 'start' : 'end'
    while (left > 0 && !isStopped) {
      const page = await management
        .records(topic, { from, max: Math.min(left, managementLimits.records), waitMs: managementLimits.waitMs })
        .catch((thrown: unknown) => {
          // The call failed because a signal has ended it.
          if (isStopped) return null
          throw thrown
        })
      if (page === null) break
      for (const record of page.records) process.stdout.write(`${options.json ? JSON.stringify(record) : terminalText(lineOf(record))}\n`)
      left -= page.records.length
      from = page.next
    }
    return exitStatus.done
  })
}

/** Runs a command on the log of a running process. If no process runs, the command opens the log itself. */
export function onLog(options: LogOptions, work: (management: LogManagement, settings: Settings) => Promise<number>): Promise<number> {
  const env = options.log === undefined ? process.env : { ...process.env, WAGGLE_LOG: options.log }
  const { settings } = loadConfig({ directories: [process.cwd()], env })
  return withManagement(settings, { url: options.url ?? null }, (management) => work(management, settings))
}

function tableOf(topics: readonly TopicRow[]): string {
  const width = Math.max(5, ...topics.map(({ name }) => name.length))
  const line = (name: string, partitions: string, cleanup: string, count: string) =>
    `${name.padEnd(width)}  ${partitions.padStart(10)}  ${cleanup.padEnd(14)}  ${count.padStart(10)}\n`
  const rows = topics.map(({ name, partitions, cleanup, offsets }) => {
    const records = offsets.reduce((sum, { start, end }) => sum + end - start, 0)
    return line(name, String(partitions), cleanup, String(records))
  })
  return `${line('topic', 'partitions', 'cleanup', 'records')}${rows.join('')}`
}

function lineOf({ partition, offset, timestamp, key, value }: ShownRecord): string {
  return `${`${partition}/${offset}`.padEnd(10)} ${timeText(timestamp)}  ${key ?? '-'}  ${value ?? '-'}`
}
