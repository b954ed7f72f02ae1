import type { FoundVersion, VersionFolder } from '../../topology/swarm/ports/models.ts'

export interface MovingFolderOptions {
  /** The path of the folder now. A folder of an object store has another path when its content has changed. */
  readonly path: () => Promise<string>
  /** Null if the path is a model itself. */
  readonly folderAt: (path: string) => Promise<VersionFolder | null>
  readonly now: () => number
}

/** A folder of versions that may come from an object store, which is asked again every half minute. */
export class MovingFolder implements VersionFolder {
  readonly #options: MovingFolderOptions
  #path: string
  #folder: VersionFolder
  #askedAt: number

  private constructor(options: MovingFolderOptions, path: string, folder: VersionFolder) {
    this.#options = options
    this.#path = path
    this.#folder = folder
    this.#askedAt = options.now()
  }

  /** Null for a model without versions. */
  static async at(path: string, options: MovingFolderOptions): Promise<MovingFolder | null> {
    const folder = await options.folderAt(path)
    return folder === null ? null : new MovingFolder(options, path, folder)
  }

  /** The path that the versions of the last look lie at. */
  get path(): string {
    return this.#path
  }

  async look(): Promise<readonly FoundVersion[]> {
    if (this.#options.now() - this.#askedAt >= betweenAsksMs) await this.#ask()
    return this.#folder.look()
  }

  async lookTwice(): Promise<readonly FoundVersion[]> {
    await this.#ask()
    return this.#folder.lookTwice()
  }

  async #ask(): Promise<void> {
    this.#askedAt = this.#options.now()
    const path = await this.#options.path()
    const folder = path === this.#path ? null : await this.#options.folderAt(path)
    if (folder === null) return
    this.#path = path
    this.#folder = folder
  }
}

const betweenAsksMs = 30_000
