import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { PageCommands, PageStep } from './page-steps.ts'
import { ShownText } from './shown-text.ts'
import { TypedCommand } from './typed-command.ts'

export interface PageReaderOptions {
  /** The folder in which the reader begins. */
  readonly directory: string
  readonly env: { readonly [name: string]: string | undefined }
  /** A file for the reader's own use, outside of `directory`. */
  readonly note: string
}

/** Follows the steps of a page like a person: types the commands, saves the files, and compares the output with the page. */
export class PageReader {
  readonly #env: PageReaderOptions['env']
  readonly #note: string
  readonly #text = new ShownText()
  #folder: string
  /** The program of the first terminal. Further commands are typed into a second terminal, which opens in the same folder. */
  #running: TypedCommand | null = null

  constructor({ directory, env, note }: PageReaderOptions) {
    this.#folder = directory
    this.#env = env
    this.#note = note
  }

  async take(step: PageStep): Promise<void> {
    switch (step.kind) {
      case 'run':
        return this.#run(step)
      case 'write':
        return this.#write(join(this.#folder, step.file), step.text)
      case 'log':
        assert.ok(this.#running !== null, `Line ${step.line}: nothing runs in the first terminal`)
        await this.#running.until((printed) => this.#text.isIn(printed, step.shown), longestMomentMs)
        return this.#text.find(this.#running.printed, step.shown)
      case 'stop':
        return this.#stop(step.line)
    }
  }

  async close(): Promise<void> {
    this.#running?.signal('SIGKILL')
    await this.#running?.ended
  }

  /** Types a block. Its last command may fail only if the page shows the failure. */
  async #run({ script, shown, isEventual }: PageCommands): Promise<void> {
    let command = await this.#type(script)
    const lastMs = systemClock.elapsedMs() + longestMomentMs
    // On a machine that is busy with other tests, the gateway answers 503.
    const isTooSoon = ({ printed }: TypedCommand) =>
      printed.includes('WAGGLE_OVERLOADED') || (isEventual && shown !== null && !this.#text.isIn(printed, shown))
    while (isTooSoon(command) && systemClock.elapsedMs() < lastMs) command = await this.#type(script)
    if (shown !== null) this.#text.find(command.printed, shown)
    else assert.ok(command.status === null || command.status === 0, `${script}\nended with ${command.status}:\n${command.printed}`)
  }

  /** Waits until the block has ended, or until Waggle has printed its address. */
  async #type(script: string): Promise<TypedCommand> {
    const command = new TypedCommand(`set -e\ntrap 'pwd >"${this.#note}"' DEBUG EXIT\n${this.#text.real(script)}`, {
      cwd: this.#folder,
      env: {
        ...this.#env,
        WAGGLE_HTTP_PORT: this.#running === null ? '0' : this.#text.real(gateway).split(':')[1],
        WAGGLE_CLICKHOUSE_PORT: '0',
        // The pages show lines of a log in the form for a terminal.
        WAGGLE_LOG_FORMAT: 'text',
      },
    })
    await command.until(isReady)
    this.#folder = readFileSync(this.#note, 'utf8').trim()
    if (command.status !== null) return command
    assert.ok(this.#running === null, `Two programs run: ${script}`)
    this.#running = command
    for (const [, name, port = ''] of command.printed.matchAll(/^ {2}(Gateway|ClickHouse) +http:\/\/127\.0\.0\.1:(\d+)/gm)) {
      this.#text.learn(name === 'Gateway' ? gateway : database, `127.0.0.1:${port}`)
    }
    return command
  }

  #write(path: string, text: string): void {
    assert.ok(existsSync(dirname(path)), `No folder for ${path}`)
    writeFileSync(path, text)
  }

  async #stop(line: number): Promise<void> {
    assert.ok(this.#running !== null, `Line ${line}: nothing runs`)
    this.#running.signal('SIGINT')
    await this.#running.ended
    this.#running = null
  }
}

const gateway = '127.0.0.1:8080'
const database = '127.0.0.1:8123'
const longestMomentMs = 30_000

/** True if Waggle has printed its address, and the output that follows it. */
function isReady(printed: string): boolean {
  return printed.includes('Ctrl-C stops it.')
}
