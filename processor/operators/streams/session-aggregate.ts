import type { SessionAggregate } from '../../../topology/operators/streams-operators.ts'
import type { Header, Record, Window, Windowed } from '../../../topology/record.ts'
import { noHeaders } from '../../../topology/record.ts'
import type { NodeMeters } from '../../metrics/task-meters.ts'
import type { SegmentedSessionStore } from '../../state/segmented-session-store.ts'
import type { KeptNumber } from '../../state/task-memory.ts'
import type { TableUpdates } from '../operator-context.ts'
import { EmitSchedule } from './emit-schedule.ts'
import { StoredProcessor } from './stored-processor.ts'

type Sessions = SegmentedSessionStore<unknown, unknown>

export class SessionAggregateProcessor extends StoredProcessor {
  readonly #operator: SessionAggregate
  #sessions: Sessions | null = null
  #schedule: EmitSchedule | null = null
  #updates: TableUpdates | null = null
  #streamTime: KeptNumber = { value: -1 }
  #lastClose: KeptNumber = { value: -1 }
  #meters: NodeMeters['finalEmit'] | null = null

  constructor(operator: SessionAggregate) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#sessions = this.store<Sessions>(this.#operator.store)
    this.#streamTime = this.context.kept('time', 'forgettable')
    this.#lastClose = this.context.kept('closed')
    this.#updates = this.context.updates(this.#operator.store, () => this.#operator.oldValues.sent)
    this.#meters = this.context.meters.finalEmit
    if (this.#operator.emitOnClose) this.#schedule = new EmitSchedule(this.context, (headers) => this.#emitClosed(headers))
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value, timestamp } = record
    const sessions = this.#sessions
    if (key === null || sessions === null) {
      this.drop()
      return
    }
    const { windows, initialize, add, merge } = this.#operator
    this.#streamTime.value = Math.max(this.#streamTime.value, timestamp)
    const closeTime = this.#streamTime.value - windows.graceMs - windows.gapMs
    const found = [...sessions.findSessions(key, timestamp - windows.gapMs, timestamp + windows.gapMs)]
    let window: Window = { start: timestamp, end: timestamp }
    let aggregate = initialize()
    for (const [session, sessionAggregate] of found) {
      aggregate = merge(key, aggregate, sessionAggregate)
      window = { start: Math.min(window.start, session.window.start), end: Math.max(window.end, session.window.end) }
    }
    if (window.end < closeTime) this.drop()
    else {
      if (window.start !== timestamp || window.end !== timestamp) {
        for (const [session, sessionAggregate] of found) {
          sessions.put(session, null)
          this.#update(record, session, sessionAggregate, null)
        }
      }
      const newValue = add(key, value, aggregate)
      const session = { key, window }
      const same = found.find(([other]) => other.window.start === window.start && other.window.end === window.end)
      sessions.put(session, newValue)
      this.#update(record, session, same?.[1] ?? null, newValue)
    }
    this.#schedule?.record(record)
  }

  #update(record: Record<unknown, unknown>, session: Windowed<unknown>, before: unknown, newValue: unknown): void {
    const { emitOnClose, oldValues } = this.#operator
    if (emitOnClose) return
    const { end } = session.window
    const change = { newValue, oldValue: oldValues.sent && newValue === null ? before : null }
    // An update that goes through a cache keeps its headers. An update that is forwarded at once has no headers. Kafka Streams does the same.
    const headers = this.#updates?.areHeldBack ? record.headers : noHeaders
    this.#updates?.send({ key: session, change, timestamp: end, removedAt: end, headers, before })
  }

  #emitClosed(headers: readonly Header[]): void {
    const sessions = this.#sessions
    const { graceMs, gapMs } = this.#operator.windows
    const closeTime = this.#streamTime.value - graceMs - gapMs
    if (sessions === null || (this.#lastClose.value !== -1 && this.#lastClose.value >= closeTime)) return
    const [from, to] = [Math.max(0, this.#lastClose.value), closeTime - 1]
    if (to < 0 || to < from) return
    const begin = this.context.currentSystemTime
    let emitted = 0
    for (const [session, aggregate] of sessions.sessionsEnding(from, to)) {
      emitted++
      const change = { newValue: aggregate, oldValue: null }
      this.context.forward({ key: session, value: change, timestamp: session.window.end, headers })
    }
    this.#meters?.records.record(emitted)
    this.#meters?.latencyMs.record(this.context.currentSystemTime - begin)
    this.#lastClose.value = closeTime
  }
}
