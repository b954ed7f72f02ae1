import type { FoundVersion, VersionFolder } from '../../topology/swarm/ports/models.ts'
import { type KeptFiles, keptFiles } from './kept-files.ts'

export interface MovingFolderOptions {
  /** Finds the path of the folder. If the folder comes from an object store, a changed content gets a new path on this disk. */
  readonly path: (until: AbortSignal) => Promise<string>
  /** Opens the folder of versions at a path; null if the path is itself a model. */
  readonly folderAt: (path: string) => Promise<VersionFolder | null>
  readonly now: () => number
}

/** A folder of versions. If the folder comes from an object store, changes are searched every half minute. */
export class MovingFolder implements VersionFolder {
  readonly #options: MovingFolderOptions
  #snapshot: Snapshot
  #askedAt: number

  private constructor(options: MovingFolderOptions, snapshot: Snapshot) {
    this.#options = options
    this.#snapshot = snapshot
    this.#askedAt = options.now()
  }

  /** Opens the folder; null for a model without versions. */
  static async at(files: KeptFiles, options: MovingFolderOptions): Promise<MovingFolder | null> {
    const folder = await options.folderAt(files.path)
    return folder === null ? null : new MovingFolder(options, new Snapshot(files, folder))
  }

  /** The files of the last call of `look`. Files of an earlier call are released when nobody uses them any more. */
  use(): KeptFiles {
    return this.#snapshot.use()
  }

  async look(): Promise<readonly FoundVersion[]> {
    if (this.#options.now() - this.#askedAt >= betweenAsksMs) await this.#ask()
    return this.#snapshot.folder.look()
  }

  async lookTwice(): Promise<readonly FoundVersion[]> {
    await this.#ask()
    return this.#snapshot.folder.lookTwice()
  }

  async #ask(): Promise<void> {
    this.#askedAt = this.#options.now()
    const files = await keptFiles(this.#options.path)
    let folder: VersionFolder | null = null
    try {
      if (files.path !== this.#snapshot.path) folder = await this.#options.folderAt(files.path)
    } finally {
      if (folder === null) files.end()
    }
    if (folder === null) return
    const before = this.#snapshot
    this.#snapshot = new Snapshot(files, folder)
    before.retire()
  }
}

/** The folder in the state that one call of `look` found. */
class Snapshot {
  readonly folder: VersionFolder
  readonly #files: KeptFiles
  #uses = 0
  #isRetired = false

  constructor(files: KeptFiles, folder: VersionFolder) {
    this.#files = files
    this.folder = folder
  }

  get path(): string {
    return this.#files.path
  }

  use(): KeptFiles {
    this.#uses++
    let isUsed = true
    return {
      path: this.path,
      end: () => {
        if (!isUsed) return
        isUsed = false
        this.#uses--
        this.#endIfUnused()
      },
    }
  }

  retire(): void {
    this.#isRetired = true
    this.#endIfUnused()
  }

  #endIfUnused(): void {
    if (this.#isRetired && this.#uses === 0) this.#files.end()
  }
}

const betweenAsksMs = 30_000
