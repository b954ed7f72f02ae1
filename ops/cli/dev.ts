import { readFileSync, watch } from 'node:fs'
import { basename, dirname, resolve, sep } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import type { SwarmManagement } from '../../topology/swarm/swarm-management.ts'
import { Beekeeper } from '../beekeeper/beekeeper.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { loadConfig } from '../config/config.ts'
import { hiddenValues } from '../config/hidden-values.ts'
import { readSwarm } from '../config/swarm-file.ts'
import type { LogLine } from '../process-log/log-line.ts'
import type { Console } from './console.ts'
import { exitStatus, reportError } from './exit-status.ts'
import { outputOf } from './run.ts'
import { StopSignal } from './stop-signal.ts'

/**
 * `waggle dev [FILE]`: runs a swarm, and updates it after each saved change in its folder, as a server does. The state of the swarm stays, as far as
 * the change allows. If the new version has a mistake, the mistake is shown and the old version continues.
 */
export async function dev(file: string, { json }: { readonly json: boolean }): Promise<number> {
  const root = dirname(resolve(file))
  const env = { WAGGLE_DEV: '1', ...process.env }
  const config = loadConfig({ directories: [root, process.cwd()], env })
  const redaction = new Redaction(hiddenValues(config))
  const { out, release } = outputOf(json, config.settings, redaction)
  const stop = new StopSignal(() => out.stopping())
  const say: LogLine = (module, level, message, fields) => out.log(module, level, redaction.text(message), redaction.fields(fields))
  try {
    const beekeeper = await Beekeeper.open({
      settings: config.settings,
      swarms: [],
      server: { root, env },
      signal: stop.signal,
      say,
      redaction,
      onProgress: () => {},
    })
    const changes = new SavedFile(file, beekeeper.management, { out, json, redaction })
    await changes.take()
    out.serving({ gateway: beekeeper.url, clickhouse: beekeeper.clickhouseUrl, swarms: [...beekeeper.management.list()] })
    const unwatch = watchFolder(root, resolve(config.settings.data_dir), () => void changes.take())
    await stop.asked
    unwatch()
    await changes.end()
    await beekeeper.close()
    out.stopped()
    return exitStatus.done
  } finally {
    stop.release()
    release()
  }
}

/**
 * The swarm of a file that somebody edits. Changes are taken one at a time. Changes that come meanwhile are taken together afterwards, so the last
 * one is never missed.
 */
class SavedFile {
  readonly #file: string
  readonly #swarms: SwarmManagement
  readonly #show: { readonly out: Console; readonly json: boolean; readonly redaction: Redaction }
  #name: string | null = null
  #turn: Promise<void> | null = null
  #isDue = false

  constructor(file: string, swarms: SwarmManagement, show: { readonly out: Console; readonly json: boolean; readonly redaction: Redaction }) {
    this.#file = file
    this.#swarms = swarms
    this.#show = show
  }

  /** Updates the swarm to the present content of the file. Never rejects: a mistake is shown instead. */
  take(): Promise<void> {
    this.#isDue = true
    this.#turn ??= this.#takeAll().finally(() => {
      this.#turn = null
    })
    return this.#turn
  }

  /** Stops the swarm, and keeps its topics and state for the next time. */
  async end(): Promise<void> {
    await this.#turn
    if (this.#name !== null) await this.#swarms.remove(this.#name)
  }

  async #takeAll(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false
      await this.#takeNow()
    }
  }

  async #takeNow(): Promise<void> {
    const { out, json, redaction } = this.#show
    try {
      const { name } = readSwarm(this.#file, beeRegistry(dirname(this.#file)))
      if (this.#name !== null && this.#name !== name) await this.#swarms.remove(this.#name)
      const text = { text: readFileSync(this.#file, 'utf8'), file: basename(this.#file), directory: null }
      const { changed } = await this.#swarms.update(name, text, { accept: true, reload: true })
      this.#name = name
      if (changed) out.log('', 'info', `${name} runs as it was saved`)
    } catch (thrown) {
      reportError(redaction.error(thrown), { json })
    }
  }
}

/** Calls `changed` a moment after files of a folder were saved. Returns a function that ends the watch. */
function watchFolder(folder: string, dataDirectory: string, changed: () => void): () => void {
  let cancel = () => {}
  const watcher = watch(folder, { recursive: true }, (_, name) => {
    const path = resolve(folder, name ?? '')
    if (/(^|[\\/])(node_modules|\.git|\.waggle)([\\/]|$)/.test(name ?? '') || path === dataDirectory || path.startsWith(dataDirectory + sep)) return
    cancel()
    cancel = systemClock.after(settleMs, changed)
  })
  return () => {
    cancel()
    watcher.close()
  }
}

/** The time in ms without another change after which `changed` is called, because editors save a file in several steps. */
const settleMs = 100
