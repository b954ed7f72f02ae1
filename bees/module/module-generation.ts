import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isOwn } from '../../topology/user-place.ts'

/**
 * Makes it possible to import a changed module again in the same process. Node caches each module by its URL for as long as the process runs. The
 * URLs of all user modules therefore contain a number, which rises when one of the files has changed. A CommonJS module is not loaded again.
 */
export class ModuleGeneration {
  /** The size, the time of the last change and the inode of each imported file, by URL. */
  readonly #stamps = new Map<string, string>()
  #number = 0

  /** Starts a new generation if an imported file has changed since its import. */
  look(): void {
    for (const [url, stamp] of this.#stamps) {
      if (stampOf(url) === stamp) continue
      this.#number++
      this.#stamps.clear()
      return
    }
  }

  /** The URL under which a module is imported now. The URLs of packages and built-in modules stay unchanged. */
  urlOf(url: string): string {
    return this.#number === 0 || !isOfUser(url) || url.includes('?') ? url : `${url}?${query}=${this.#number}`
  }

  /** Remembers the state of an imported file. */
  loaded(url: string): void {
    if (!isOfUser(url)) return
    const file = withoutGeneration(url)
    if (!this.#stamps.has(file)) this.#stamps.set(file, stampOf(file))
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

/** A text that changes with the file; empty for a file that no longer exists. */
function stampOf(url: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(fileURLToPath(url))
    return `${mtimeMs} ${size} ${ino}`
  } catch {
    return ''
  }
}
