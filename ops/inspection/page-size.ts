/** The size of a page while it is filled: the characters of its rows as JSON, and the bytes that were read for the rows. */
export class PageSize {
  #characters = 0
  #readBytes = 0

  get isFull(): boolean {
    return this.#characters >= maxCharacters || this.#readBytes >= maxReadBytes
  }

  add(row: object, readBytes: number): void {
    this.#characters += JSON.stringify(row).length
    this.#readBytes += readBytes
  }
}

const maxCharacters = 4 * 1024 * 1024
const maxReadBytes = 64 * 1024 * 1024
