import type { EngineEvent } from '../../processor/metrics/engine-event.ts'
import type { TopicPartition } from '../../processor/ports.ts'
import type { StateRestoreListener } from '../../topology/state-listeners.ts'
import type { LogLevel, LogLine } from './log-line.ts'

export interface EngineLinesOptions {
  readonly swarm: string
  readonly say: LogLine
  /** True if a line of a module is shown. A line is built only if it is shown. */
  readonly shows: (module: string, level: LogLevel, swarm: string) => boolean
}

/** Logs the work of the engine, at the level debug. The modules are `assignment`, `commit` and `restore`. */
export class EngineLines {
  readonly #options: EngineLinesOptions

  constructor(options: EngineLinesOptions) {
    this.#options = options
  }

  readonly took = (event: EngineEvent): void => {
    if (event.kind === 'committed') {
      const { thread, tasks, positions, records, ms } = event
      this.#line('commit', () => `${thread} has committed ${tasks} tasks with ${positions} positions and ${records} records in ${ms.toFixed(1)} ms`)
      return
    }
    const { kind, thread, group, partitions } = event
    const what = { assigned: 'got', revoked: 'gives back, in a rebalance,', lost: 'has lost' }[kind]
    this.#line('assignment', () => `${thread} ${what} ${placesText(partitions)} of the group ${group}`)
  }

  /** Logs a change of the application's state. */
  changed(from: string, to: string): void {
    this.#line('assignment', () => `the application goes from ${from} to ${to}`)
  }

  readonly restores: StateRestoreListener = {
    onRestoreStart: ({ store, taskId, topic, startingOffset, endingOffset }) =>
      this.#line('restore', () => `the store ${store} of task ${taskId} is read from ${topic}, offsets ${startingOffset} to ${endingOffset}`),
    onRestoreEnd: ({ store, taskId, totalRestored }) =>
      this.#line('restore', () => `the store ${store} of task ${taskId} is complete, after ${totalRestored} records`),
    onRestoreSuspended: ({ store, taskId, totalRestored }) =>
      this.#line('restore', () => `the store ${store} of task ${taskId} is not read any further here, after ${totalRestored} records`),
  }

  #line(module: string, text: () => string): void {
    const { swarm, say, shows } = this.#options
    if (shows(module, 'debug', swarm)) say(module, 'debug', text(), { swarm })
  }
}

/** The partitions by topic: `orders 0,1,2; prices 0`. */
function placesText(partitions: readonly TopicPartition[]): string {
  if (partitions.length === 0) return 'no partition'
  const topics = Map.groupBy(partitions, ({ topic }) => topic)
  const texts = [...topics].map(([topic, places]) => `${topic} ${places.map(({ partition }) => partition).join(',')}`)
  return `${texts.slice(0, maxTopics).join('; ')}${texts.length > maxTopics ? ` and of ${texts.length - maxTopics} more topics` : ''}`
}

const maxTopics = 20
