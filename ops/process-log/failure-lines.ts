import type { Clock } from '../../processor/ports.ts'
import { httpStatus } from '../../topology/error-codes.ts'
import type { FailedRecord } from '../../topology/failed-record.ts'
import { userPlaceOf } from '../../topology/user-place.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { LineWindows } from './line-windows.ts'
import type { LogFields, LogLevel, LogLine } from './log-line.ts'

/**
 * Writes each failure as one line of the process's log. Each window of `LineWindows` has at most ten lines for failures with the same code and
 * module.
 */
export class FailureLines {
  readonly #say: LogLine
  /** The windows. A kind is a module and a code, so the number of kinds is bounded by the number of bees and of error codes. */
  readonly #windows: LineWindows

  constructor({ say, clock }: { readonly say: LogLine; readonly clock: Clock }) {
    const leftOut = (count: number, { code }: LogFields) => `${count} more failures with ${code} were left out of this log`
    this.#say = say
    this.#windows = new LineWindows({ say, clock, maxLines: 10, leftOut })
  }

  /** Writes a line for a failure of a part of the process, or of a request as a whole. */
  failed(error: WaggleError, { module, ...fields }: Pick<LogFields, 'swarm' | 'request_id'> & { readonly module: string }): void {
    this.#line(error, module, fields)
  }

  /** Writes a line for a record that failed at a step of a swarm. The record's key is the id of the request. */
  recordFailed(swarm: string, error: WaggleError, { key, taskId, topic, partition, offset, node }: FailedRecord): void {
    const requestId = typeof key === 'string' ? key : key instanceof Uint8Array ? Buffer.from(key).toString() : undefined
    this.#line(error, node, {
      swarm,
      ...(requestId === undefined ? {} : { request_id: requestId }),
      task: taskId,
      ...(topic === '' ? {} : { topic, partition, offset: String(offset) }),
    })
  }

  /** Writes the numbers of omitted failures. */
  close(): void {
    this.#windows.close()
  }

  #line(error: WaggleError, module: string, fields: LogFields): void {
    const ofKind = { ...(fields.swarm === undefined ? {} : { swarm: fields.swarm }), code: error.code }
    if (!this.#windows.lets(`${fields.swarm}\n${module}\n${error.code}`, module, ofKind)) return
    const { message, next, code } = error
    const place = error.place ?? userPlaceOf(error)
    this.#say(module, levelOf(error), message, { ...fields, code, ...(place === null ? {} : { place }), next, stack: stackOf(error) })
  }
}

/** The level of a failure. A refusal is the caller's mistake, and a deadline is a normal outcome. */
function levelOf({ code }: WaggleError): LogLevel {
  const status = httpStatus(code)
  return status === httpStatus('WAGGLE_REFUSED') ? 'debug' : status === httpStatus('WAGGLE_DEADLINE') ? 'warn' : 'error'
}

/** The stacks of an error and its causes. Never throws, even if a bee has thrown a strange value. */
function stackOf(error: unknown): string {
  const stacks: string[] = []
  try {
    for (let one = error; one instanceof Error && stacks.length < maxCauses; one = one.cause) stacks.push(String(one.stack ?? one.message))
  } catch {
    stacks.push('(an error whose stack cannot be read)')
  }
  return stacks.join('\nCaused by: ').slice(0, maxStackCharacters)
}

const maxCauses = 5
const maxStackCharacters = 16_384
