import type { FailedRecord } from './failed-record.ts'
import type { Header } from './record.ts'
import { saidBy, type WaggleError } from './waggle-error.ts'

/** The headers of a dead letter (KIP-1034). Long texts are cut. Headers are made even if reading the cause of the error throws. */
export function streamsDeadLetterHeaders(error: WaggleError, { topic, partition, offset }: FailedRecord): readonly Header[] {
  const cause = causeOf(error)
  return [
    header(
      'exception',
      textFrom(() => (cause.name === 'WaggleError' ? error.code : cause.name)),
    ),
    header('message', saidBy(cause)),
    header(
      'stacktrace',
      textFrom(() => cause.stack ?? ''),
    ),
    topic === '' ? { key: nameOf('topic'), value: null } : header('topic', topic),
    header('partition', String(partition)),
    header('offset', String(offset)),
  ]
}

/** The cause of an error, or the error itself if it has no cause. A proxy may throw when its cause is read. */
function causeOf(error: WaggleError): Error {
  try {
    return error.cause instanceof Error ? error.cause : error
  } catch {
    return error
  }
}

function textFrom(read: () => string): string {
  try {
    return saidBy(read())
  } catch (thrown) {
    return saidBy(thrown)
  }
}

function header(name: string, value: string): Header {
  return { key: nameOf(name), value: new TextEncoder().encode(value) }
}

function nameOf(name: string): string {
  return `__streams.errors.${name}`
}
