import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isOwn } from '../../topology/user-place.ts'

/**
 * Makes it possible to import a changed module again in the same process. Node caches each ES module by its URL for as long as the process runs. The
 * URLs of all user modules therefore contain a number, which rises when one of the files has changed. Node caches CommonJS modules by their paths, so
 * they leave the cache when the number rises. Code that runs keeps the modules that it has.
 */
export class ModuleGeneration {
  /** The fingerprint of each imported file, by URL. */
  readonly #fingerprints = new Map<string, string>()
  #number = 0

  /** Starts a new generation if an imported file has changed since its import. */
  look(): void {
    for (const [url, fingerprint] of this.#fingerprints) {
      if (fingerprintOf(url) === fingerprint) continue
      this.#number++
      for (const loaded of this.#fingerprints.keys()) uncache(fileURLToPath(loaded))
      this.#fingerprints.clear()
      return
    }
  }

  /** The URL under which a module is imported now. The URLs of packages and built-in modules stay unchanged. */
  urlOf(url: string): string {
    return this.#number === 0 || !isOfUser(url) || url.includes('?') ? url : `${url}?${query}=${this.#number}`
  }

  /**
   * The URL under which a module that runs imports another one, after it was loaded itself. Both belong to one generation. The state of the file is
   * remembered. The URL stays unchanged for an importer that is no module of a user.
   */
  urlOfLater(url: string, importer: string | undefined): string {
    if (importer === undefined || !this.#fingerprints.has(withoutGeneration(importer)) || !isOfUser(url)) return url
    this.loaded(url)
    const [mark = ''] = importer.match(marks) ?? []
    return url.includes('?') ? url : url + mark
  }

  /** Remembers the state of an imported file. */
  loaded(url: string): void {
    if (!isOfUser(url)) return
    const file = withoutGeneration(url)
    if (!this.#fingerprints.has(file)) this.#fingerprints.set(file, fingerprintOf(file))
  }
}

/** The URL or path without the number of its generation. */
export function withoutGeneration(text: string): string {
  return text.replace(marks, '')
}

const query = 'waggle-generation'
const marks = new RegExp(`\\?${query}=\\d+`, 'g')

function isOfUser(url: string): boolean {
  return url.startsWith('file:') && !url.includes('/node_modules/') && !isOwn(fileURLToPath(url))
}

/** Removes a CommonJS module from Node's cache, with the files of the user that it has required, also those that a function has required later. */
function uncache(path: string): void {
  const module = cache[path]
  if (module === undefined || !isOfUser(pathToFileURL(path).href)) return
  delete cache[path]
  for (const { filename } of module.children) uncache(filename)
}

/** Node has one cache for all `require` functions of a thread. */
const { cache } = createRequire(import.meta.url)

/** A text that changes with the size, the time and the inode of the file; empty for a file that no longer exists. */
function fingerprintOf(url: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(fileURLToPath(url))
    return `${mtimeMs} ${size} ${ino}`
  } catch {
    return ''
  }
}
