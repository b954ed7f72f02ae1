import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isOwn } from '../../topology/user-place.ts'

/**
 * Lets a changed module be imported anew in the same process. Node keeps each module by its URL for good, so all modules of users get a number in
 * their URLs, which rises when one of the files has changed. A CommonJS module stays as it was.
 */
export class ModuleGeneration {
  /** Size and time of change of each imported file, by URL. */
  readonly #stamps = new Map<string, string>()
  #number = 0

  /** Looks whether a file has changed since it was imported. */
  look(): void {
    for (const [url, stamp] of this.#stamps) {
      if (stampOf(url) === stamp) continue
      this.#number++
      this.#stamps.clear()
      return
    }
  }

  /** The URL under which a module is imported now. Packages and built-in modules keep theirs. */
  urlOf(url: string): string {
    return this.#number === 0 || !isOfUser(url) || url.includes('?') ? url : `${url}?${query}=${this.#number}`
  }

  /** Notes a file that is imported. */
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

/** Empty for a file that is gone. */
function stampOf(url: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(fileURLToPath(url))
    return `${mtimeMs} ${size} ${ino}`
  } catch {
    return ''
  }
}
