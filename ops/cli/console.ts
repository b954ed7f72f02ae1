import { createColors } from 'picocolors'
import { type Logger, pino } from 'pino'
import type { Clock } from '../../processor/ports.ts'
import type { LogFields, LogLevel } from '../process-log/log-line.ts'
import type { LogThreshold } from '../process-log/log-threshold.ts'
import type { OutputStream } from './captured-output.ts'
import { terminalText } from './terminal-text.ts'

/**
 * The output of a command, for a person, or with `json` for a program. Results go to stdout, everything else to stderr. With `logForm: 'json'`
 * programs read stderr; with `json` they read both streams.
 */
export class Console {
  readonly #clock: Pick<Clock, 'now'>
  /** The lowest level of log lines that are shown. */
  threshold: LogThreshold
  readonly #json: boolean
  /** The logger that writes stderr as JSON; null if stderr is for people to read. */
  readonly #lines: Logger | null
  readonly #out: OutputStream
  readonly #err: OutputStream
  readonly #colors: ReturnType<typeof createColors>
  #progressShown = false

  constructor({ json, logForm = 'text', stdout, stderr, clock, threshold }: ConsoleOptions) {
    this.#clock = clock
    this.threshold = threshold
    this.#json = json
    this.#out = stdout
    this.#err = stderr
    this.#lines = json || logForm === 'json' ? jsonLines(stderr, clock) : null
    // For a pipe `isTTY` is undefined. picocolors would then decide itself, and would use colours in CI.
    this.#colors = createColors(!json && stderr.isTTY === true && process.env.NO_COLOR === undefined)
  }

  /** Writes a line of the process's log to standard error, as text, or with `json` as one JSON object. */
  log(module: string, level: LogLevel, message: string, { stack, ...fields }: LogFields = {}): void {
    const { swarm } = fields
    if (!this.threshold.shows(level, module, swarm)) return
    const shown = stack !== undefined && this.threshold.shows('debug', module, swarm) ? { stack } : {}
    if (this.#lines !== null) {
      this.#lines[level]({ event: 'log', bee: module, ...fields, ...shown }, message)
      return
    }
    const time = new Date(this.#clock.now()).toISOString()
    const { dim, bold, yellow, red } = this.#colors
    const paint = { debug: dim, info: dim, warn: yellow, error: red }[level]
    const name = [swarm, module].filter((part) => part !== undefined && part !== '').join('/')
    const text = `${oneLine(message)}${fields.next === undefined ? '' : `. ${oneLine(fields.next)}`}${bracketedDetails(message, fields)}${bracketedRequests(fields)}`
    this.#line(`${dim(time)} ${paint(level.padEnd(5))} ${name === '' ? '' : `${bold(name)}: `}${text}`)
    if (shown.stack !== undefined) this.#line(shown.stack)
  }

  progress(what: string, done: number, all: number): void {
    if (this.#lines !== null) {
      this.#lines.info({ event: 'progress', what, done, all })
      return
    }
    const text = `Starting ${done}/${all}: ${what}`
    if (!this.#err.isTTY) {
      this.#line(text)
      return
    }
    this.#err.write(`\r\x1b[2K${this.#colors.dim(text)}`)
    this.#progressShown = true
  }

  ready({ gateway, grpc, clickhouse, swarms }: Ready): void {
    if (this.#json) {
      this.#event(this.#out, { event: 'ready', gateway, grpc, clickhouse, swarms: swarms.map(({ name, gateways }) => ({ name, gateways })) })
      return
    }
    this.#clearProgress()
    const lines = [
      `${this.#colors.green('✔')} ${swarms.map(({ name }) => name).join(', ')} ready`,
      '',
      `  Page        ${gateway}/`,
      `  Gateway     ${gateway}  (${gateway}/openapi.json)`,
    ]
    if (grpc !== null) lines.push(`  gRPC        ${grpc}`)
    if (clickhouse !== null) lines.push(`  ClickHouse  ${clickhouse}`)
    for (const { asks } of swarms) for (const ask of asks) lines.push('', '  Ask:', ...ask.map((line) => `  ${line}`))
    const table = swarms.find((swarm) => swarm.table !== null)?.table
    if (clickhouse !== null && table !== undefined) {
      lines.push(
        '',
        '  See what was saved:',
        `  curl -sS '${clickhouse}/?query=SELECT+bee,label,score,predicted_at+FROM+${table}+FORMAT+PrettyCompact'`,
      )
    }
    this.#out.write(`${lines.join('\n')}\n\n  Ctrl-C stops it.\n`)
  }

  /** Prints that a server is ready, and the swarms that are running. */
  serving({ gateway, grpc, clickhouse, swarms }: Pick<Ready, 'gateway' | 'grpc' | 'clickhouse'> & { readonly swarms: readonly Served[] }): void {
    if (this.#json) {
      this.#event(this.#out, { event: 'ready', gateway, grpc, clickhouse, swarms })
      return
    }
    this.#clearProgress()
    const names = swarms.length === 0 ? 'no swarm yet' : swarms.map(({ name }) => name).join(', ')
    const lines = [
      `${this.#colors.green('✔')} Waggle serves ${names}`,
      '',
      `  Page             ${gateway}/`,
      `  Gateway and API  ${gateway}  (${gateway}/openapi.json)`,
      ...(grpc === null ? [] : [`  gRPC             ${grpc}`]),
      '',
      '  Create a swarm from another terminal, in this directory:',
      '  waggle swarms create FILE',
    ]
    this.#out.write(`${lines.join('\n')}\n\n  Ctrl-C stops it; its swarms are there again after the next start.\n`)
  }

  stopping(): void {
    if (this.#lines !== null) this.#lines.info({ event: 'stopping' })
    else this.#line('Stopping: finishing what was accepted …')
  }

  stopped(): void {
    if (this.#lines !== null) this.#lines.info({ event: 'stopped' })
    else this.#line('Stopped.')
  }

  #line(text: string): void {
    this.#clearProgress()
    this.#err.write(`${text}\n`)
  }

  #clearProgress(): void {
    if (this.#progressShown) this.#err.write('\r\x1b[2K')
    this.#progressShown = false
  }

  #event(stream: OutputStream, event: object): void {
    stream.write(`${JSON.stringify(event)}\n`)
  }
}

export interface ConsoleOptions {
  readonly json: boolean
  /** The form of stderr without `json`. Default: `text`. */
  readonly logForm?: 'text' | 'json'
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly clock: Pick<Clock, 'now'>
  readonly threshold: LogThreshold
}

/** A logger whose lines have the member names that Waggle's readers expect. The threshold was checked earlier, so every level is written. */
function jsonLines(stream: OutputStream, clock: Pick<Clock, 'now'>): Logger {
  const options = {
    level: 'debug',
    base: null,
    messageKey: 'message',
    timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
    formatters: { level: (level: string) => ({ level }) },
  }
  return pino(options, { write: (line: string) => void stream.write(line) })
}

interface Ready {
  readonly gateway: string
  /** The address `HOST:PORT`; null without gRPC. */
  readonly grpc: string | null
  readonly clickhouse: string | null
  readonly swarms: readonly {
    readonly name: string
    readonly gateways: readonly string[]
    /** The example lines for each gateway. */
    readonly asks: readonly (readonly string[])[]
    readonly table: string | null
  }[]
}

interface Served {
  readonly name: string
  readonly gateways: readonly string[]
}

/**
 * The details of a failure in brackets: the code, the place in a user's file, the request and the record. The record is left out if the message
 * already names it.
 */
function bracketedDetails(message: string, { code, place, request_id, task, topic, partition, offset }: LogFields): string {
  if (code === undefined) return ''
  const record = topic === undefined ? `task ${task}` : `task ${task}, topic ${topic}, partition ${partition}, offset ${offset}`
  const isSaid = task === undefined || message.includes(`(${record})`)
  const thrown = place === undefined ? [] : [`at ${terminalText(place)}`]
  return ` (${[code, ...thrown, ...(request_id === undefined ? [] : [`request ${request_id}`]), ...(isSaid ? [] : [record])].join(', ')})`
}

/** The requests of a line that a bee's process wrote, in brackets. */
function bracketedRequests({ code, request_id, request_ids, requests }: LogFields): string {
  if (code !== undefined) return ''
  if (request_id !== undefined) return ` (request ${terminalText(request_id)})`
  return request_ids === undefined ? '' : ` (${requests ?? 'some'} requests: ${terminalText(request_ids)})`
}

/** Joins the lines of a message, because each failure is one line of the log. */
function oneLine(text: string): string {
  const line = text
    .trim()
    .replace(/\.$/, '')
    .replaceAll(/\s*[\r\n]+\s*/g, ' ⏎ ')
  return terminalText(line)
}
