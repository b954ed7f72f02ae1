import { createColors } from 'picocolors'

/** Output of a command, for a person or, with `json`, for a program: answers on stdout, everything else on stderr. */
export class Console {
  readonly #json: boolean
  readonly #out: NodeJS.WriteStream
  readonly #err: NodeJS.WriteStream
  readonly #colors: ReturnType<typeof createColors>
  #progressShown = false

  constructor({ json, stdout, stderr }: { readonly json: boolean; readonly stdout: NodeJS.WriteStream; readonly stderr: NodeJS.WriteStream }) {
    this.#json = json
    this.#out = stdout
    this.#err = stderr
    this.#colors = createColors(!json && stderr.isTTY && process.env.NO_COLOR === undefined)
  }

  log(bee: string, level: 'debug' | 'info' | 'warn' | 'error', message: string): void {
    if (level === 'debug' && process.env.WAGGLE_DEBUG === undefined) return
    if (this.#json) {
      this.#event(this.#err, { event: 'log', level, bee, message })
      return
    }
    const paint = { debug: this.#colors.dim, info: this.#colors.dim, warn: this.#colors.yellow, error: this.#colors.red }[level]
    this.#line(`${paint(level.padEnd(5))} ${bee === '' ? '' : `${this.#colors.bold(bee)}: `}${message}`)
  }

  progress(what: string, done: number, all: number): void {
    if (this.#json) {
      this.#event(this.#err, { event: 'progress', what, done, all })
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

  ready({ gateway, clickhouse, swarms }: Ready): void {
    if (this.#json) {
      this.#event(this.#out, { event: 'ready', gateway, clickhouse, swarms: swarms.map(({ name, gateways }) => ({ name, gateways })) })
      return
    }
    this.#clearProgress()
    const lines = [
      `${this.#colors.green('✔')} ${swarms.map(({ name }) => name).join(', ')} ready`,
      '',
      `  Gateway     ${gateway}  (${gateway}/openapi.json)`,
    ]
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

  stopping(): void {
    if (this.#json) this.#event(this.#err, { event: 'stopping' })
    else this.#line('Stopping: finishing what was accepted …')
  }

  stopped(): void {
    if (this.#json) this.#event(this.#err, { event: 'stopped' })
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

  #event(stream: NodeJS.WriteStream, event: object): void {
    stream.write(`${JSON.stringify(event)}\n`)
  }
}

interface Ready {
  readonly gateway: string
  readonly clickhouse: string | null
  readonly swarms: readonly {
    readonly name: string
    readonly gateways: readonly string[]
    /** The lines that ask each gateway. */
    readonly asks: readonly (readonly string[])[]
    readonly table: string | null
  }[]
}
