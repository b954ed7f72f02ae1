import { readFileSync, watch } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import type { SwarmManagement } from '../../topology/swarm/swarm-management.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { loadConfig } from '../config/config.ts'
import { readSwarm } from '../config/swarm-file.ts'
import type { Console } from './console.ts'
import { reportError } from './exit-status.ts'
import { inForeground } from './foreground.ts'
import { ReadFiles } from './read-files.ts'
import { SettledChanges } from './settled-changes.ts'

/**
 * `waggle dev [FILE]`: runs a swarm, and updates it after each saved change of a file that it reads, as a server does. The swarm keeps its state as far as the
 * change allows. If the new version has a mistake, the mistake is shown and the old version continues.
 */
export async function dev(file: string, { json }: { readonly json: boolean }): Promise<number> {
  const root = dirname(resolve(file))
  const env = { WAGGLE_DEV: '1', ...process.env }
  const configNow = () => loadConfig({ directories: [root, process.cwd()], env })
  const config = configNow()
  const { settings } = config
  const options = { configs: [config], json, settings, swarms: [], server: { root, env }, load: () => configNow().settings }
  return inForeground(options, async (beekeeper, { out, redaction }) => {
    const changes = new SavedFile(file, beekeeper.management, { out, json, redaction })
    await changes.take()
    out.serving({
      gateway: beekeeper.url,
      grpc: beekeeper.grpcAddress,
      clickhouse: beekeeper.clickhouseUrl,
      swarms: [...beekeeper.management.list()],
    })
    const files = new ReadFiles([file, join(root, 'waggle.yaml')], { dataDirectory: resolve(settings.data_dir) })
    const unwatch = watchFolder(root, files, {
      changed: () => {
        files.renew()
        void changes.take()
      },
      failed: (error) => changes.unseen(error),
    })
    return async () => {
      unwatch()
      await changes.end()
    }
  })
}

/**
 * The swarm of a file that a user edits. Changes are taken one at a time. Changes that arrive meanwhile are taken together afterwards, so the last
 * change is never missed.
 */
class SavedFile {
  readonly #file: string
  readonly #swarms: SwarmManagement
  readonly #show: { readonly out: Console; readonly json: boolean; readonly redaction: Redaction }
  #name: string | null = null
  #taking: Promise<void> | null = null
  #isDue = false

  constructor(file: string, swarms: SwarmManagement, show: { readonly out: Console; readonly json: boolean; readonly redaction: Redaction }) {
    this.#file = file
    this.#swarms = swarms
    this.#show = show
  }

  /** Updates the swarm to the current content of the file. Never rejects: a mistake is shown instead. */
  take(): Promise<void> {
    this.#isDue = true
    this.#taking ??= this.#takeAll().finally(() => {
      this.#taking = null
    })
    return this.#taking
  }

  /** Shows that saved changes may go unnoticed from now on. The swarm continues to run. */
  unseen(error: Error): void {
    const unwatched = new WaggleError('WAGGLE_FILE_UNUSABLE', {
      message: `The folder of ${this.#file} cannot be watched: ${error.message}`,
      next: 'Remove the cause, and start `waggle dev` again.',
      cause: error,
    })
    reportError(this.#show.redaction.error(unwatched), { json: this.#show.json })
  }

  /** Stops the swarm, and keeps its topics and state for the next time. */
  async end(): Promise<void> {
    await this.#taking
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
      const { changed } = await this.#swarms.update(name, text, { accept: true, reloadHere: true })
      this.#name = name
      if (changed) out.log('', 'info', `${name} runs as it was saved`)
    } catch (thrown) {
      reportError(redaction.error(thrown), { json })
    }
  }
}

/**
 * Calls `changed` a moment after files that the swarm reads were saved, and `failed` if the folder cannot be watched. The returned function ends the
 * watch.
 */
function watchFolder(
  folder: string,
  files: ReadFiles,
  { changed, failed }: { readonly changed: () => void; readonly failed: (error: Error) => void },
): () => void {
  const bursts = new SettledChanges({ clock: systemClock, onSettled: changed })
  const watcher = watch(folder, { recursive: true }, (_, name) => {
    if (name === null || files.has(resolve(folder, name))) bursts.changed()
  })
  watcher.on('error', failed)
  return () => {
    bursts.close()
    watcher.close()
  }
}
