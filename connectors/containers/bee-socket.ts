import { mkdtempSync, rmdirSync, unlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A Unix socket for one connection of one process, in a folder that only this user may enter. It listens from the constructor on. After the first
 * connection, or `close`, it listens no more and its folder is gone.
 */
export class BeeSocket {
  readonly #folder: string | null
  readonly #server: Server
  /** The socket's path; null if this machine cannot listen on one now. */
  readonly path: string | null

  constructor(accepted: (connection: Socket) => void) {
    this.#folder = newFolder()
    // The process may end its direction first, and still be written to.
    this.#server = createServer({ allowHalfOpen: true })
    this.#server.on('error', () => this.close())
    this.#server.on('connection', (connection) => {
      const isFirst = this.#server.listening
      this.close()
      if (isFirst) accepted(connection)
      else connection.destroy()
    })
    const path = this.#folder === null ? null : join(this.#folder, fileName)
    if (path !== null) this.#server.listen(path)
    // Without a handle, because the path is too long or no file descriptor is left, the server never listens. It tells so at once.
    this.path = this.#server.listening ? path : null
    if (this.path === null) this.close()
  }

  close(): void {
    if (this.#server.listening) this.#server.close()
    if (this.#folder === null) return
    // The functions that delete folders with their content need a file descriptor, and there may be none.
    quietly(unlinkSync, join(this.#folder, fileName))
    quietly(rmdirSync, this.#folder)
  }
}

const fileName = 'bee.sock'

function newFolder(): string | null {
  try {
    return mkdtempSync(join(tmpdir(), 'waggle-bee-'))
  } catch {
    return null
  }
}

function quietly(remove: (path: string) => void, path: string): void {
  try {
    remove(path)
  } catch {
    // It is gone already.
  }
}
