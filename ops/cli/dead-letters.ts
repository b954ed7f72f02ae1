import { type DeadLetter, managementLimits, type SettledLetters } from '../../topology/swarm/log-management.ts'
import { hintAtEmptyLog } from './empty-log-hint.ts'
import { exitStatus } from './exit-status.ts'
import { type StreamsLetter, streamsLetters } from './streams-letters.ts'
import { terminalText } from './terminal-text.ts'
import { timeText } from './time-text.ts'
import { type LogOptions, onLog } from './topics.ts'

/** `waggle dead-letters list`: prints the failed inputs, the newest first. */
export async function listDeadLetters(
  options: LogOptions & { readonly swarm?: string; readonly cause?: string; readonly topic?: string; readonly max: number; readonly after?: string },
): Promise<number> {
  const { topic } = options
  if (topic !== undefined) return listStreamsLetters(topic, options)
  return onLog(options, async (management, settings) => {
    const page = await management.deadLetters({
      swarm: options.swarm ?? null,
      code: options.cause ?? null,
      max: Math.min(options.max, managementLimits.deadLetters),
      after: options.after ?? null,
    })
    const letters = page.dead_letters
    if (letters.length === 0) await hintAtEmptyLog(management, settings, options.json)
    if (options.json) process.stdout.write(`${JSON.stringify(page)}\n`)
    else {
      process.stdout.write(letters.map((letter) => `${textOf(letter)}\n`).join('\n'))
      if (letters.length === 0) process.stdout.write(page.next === null ? 'There are no dead letters.\n' : 'There are none on this page.\n')
      if (page.next !== null) process.stdout.write(`\nThere are more: --after ${terminalText(page.next)}\n`)
    }
    return exitStatus.done
  })
}

/** `waggle dead-letters list --topic NAME`: prints the dead letters of a DSL program. */
function listStreamsLetters(topic: string, options: LogOptions & { readonly max: number }): Promise<number> {
  return onLog(options, async (management) => {
    const letters = await streamsLetters(management, topic, Math.min(options.max, managementLimits.deadLetters))
    if (options.json) process.stdout.write(`${JSON.stringify({ dead_letters: letters })}\n`)
    else
      process.stdout.write(
        letters.length === 0 ? 'There are no dead letters.\n' : letters.map((letter) => `${textOfStreamsLetter(letter)}\n`).join('\n'),
      )
    return exitStatus.done
  })
}

/** `waggle dead-letters show ID`: prints one dead letter with its whole content. */
export async function showDeadLetter(id: string, options: LogOptions): Promise<number> {
  return onLog(options, async (management) => {
    const letter = await management.deadLetter(id)
    process.stdout.write(`${options.json ? JSON.stringify(letter) : textOf(letter)}\n`)
    return exitStatus.done
  })
}

/** `waggle dead-letters retry ID`: sends the input of a dead letter again. */
export async function retryDeadLetter(id: string, options: LogOptions): Promise<number> {
  return onLog(options, async (management) => {
    const retried = await management.retry(id)
    const { request_id, topic, partition, offset } = retried
    process.stdout.write(
      options.json
        ? `${JSON.stringify(retried)}\n`
        : `Sent again as request ${request_id}, at offset ${offset} of ${topic}, partition ${partition}.\n`,
    )
    return exitStatus.done
  })
}

/** `waggle dead-letters discard ID`: removes a dead letter from the list. */
export async function discardDeadLetter(id: string, options: LogOptions): Promise<number> {
  return onLog(options, async (management) => {
    await management.discard(id)
    process.stdout.write(options.json ? `${JSON.stringify({ discarded: id })}\n` : `Discarded ${id}.\n`)
    return exitStatus.done
  })
}

export interface AllOptions extends LogOptions {
  readonly swarm?: string
  /** The error code of the dead letters. */
  readonly cause?: string
}

/**
 * `waggle dead-letters retry --all` and `discard --all`: retries or discards each dead letter of a swarm, of a cause, or all dead letters. A letter
 * that cannot be sent again stays in the list, and the exit status is 1.
 */
export async function eachDeadLetter(verb: 'retry' | 'discard', { swarm, cause, ...options }: AllOptions): Promise<number> {
  return onLog(options, async (management) => {
    const [done, failed]: [string[], { readonly id: string; readonly error: string }[]] = [[], []]
    let after: string | null = null
    do {
      const page: SettledLetters = await management.settle(verb, {
        swarm: swarm ?? null,
        code: cause ?? null,
        max: managementLimits.settledLetters,
        after,
      })
      done.push(...page.settled)
      failed.push(...page.failed.map(({ id, detail }) => ({ id, error: detail })))
      after = page.next
    } while (after !== null)
    const word = { retry: 'retried', discard: 'discarded' }[verb]
    if (options.json) process.stdout.write(`${JSON.stringify({ [word]: done, failed })}\n`)
    else {
      process.stdout.write(`${word} ${done.length}\n`.replace(/^./, (letter) => letter.toUpperCase()))
      for (const { id, error } of failed) process.stderr.write(`${terminalText(`${id} stays: ${error}`)}\n`)
    }
    return failed.length === 0 ? exitStatus.done : exitStatus.wrongInput
  })
}

function textOf({ id, bee, code, cause, request_id, topic, partition, offset, timestamp, content_type, content }: DeadLetter): string {
  const lines = [
    `${id}  ${timeText(timestamp)}  ${bee}  ${code}`,
    `  cause    ${cause.replaceAll('\n', '\n           ')}`,
    `  request  ${request_id ?? '-'}`,
    `  input    offset ${offset} of ${topic}, partition ${partition}`,
    `  content  ${content_type === null ? '' : `${content_type}  `}${content ?? '-'}`,
  ]
  return terminalText(lines.join('\n'))
}

function textOfStreamsLetter({ id, exception, cause, topic, partition, offset, timestamp, key, content }: StreamsLetter): string {
  const shown = content !== null && content.length > listedCharacters ? `${content.slice(0, listedCharacters)} … (--json shows all)` : content
  const lines = [
    `${id}  ${timeText(timestamp)}  ${exception}`,
    `  cause    ${cause.replaceAll('\n', '\n           ')}`,
    `  input    ${topic === null ? 'none: a punctuation failed' : `offset ${offset} of ${topic}, partition ${partition}`}`,
    `  key      ${key ?? '-'}`,
    `  content  ${shown ?? '-'}`,
  ]
  return terminalText(lines.join('\n'))
}

const listedCharacters = 200
