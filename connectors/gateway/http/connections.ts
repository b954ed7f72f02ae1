import type { Server } from 'node:http'
import { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { rawProblem } from './problem.ts'

/**
 * Limits the number of a server's connections. The limit must be below the process's limit of open files. At the limit, a new connection replaces the
 * connection that has been idle for longest. If no connection is idle, the new connection gets 503. A replaced connection also gets 503 if it had no
 * request yet. Its first request may be on the way, as in a burst of callers who all connect before they send.
 */
export function boundConnections(server: Server | HttpsServer, maxConnections: number): void {
  /**
   * Connections without an open request. The connection that has been idle for longest comes first. The value is true for a connection that had a
   * request before.
   */
  const idle = new Map<Socket, boolean>()
  let open = 0
  // Under TLS a connection counts after its handshake. Connections before their handshake have a separate limit, and 10 s for the handshake.
  const isTls = server instanceof HttpsServer
  if (isTls) server.maxConnections = maxConnections + maxHandshakes
  server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    open++
    socket.once('close', () => {
      open--
      idle.delete(socket)
    })
    if (open > maxConnections) {
      const [oldest] = idle
      if (oldest === undefined) {
        turnAway(socket, `${maxConnections} connections have a request under way`)
        return
      }
      const [replaced, hadRequest] = oldest
      idle.delete(replaced)
      if (hadRequest) replaced.destroy()
      else turnAway(replaced, `More than ${maxConnections} callers have connected, and this one has sent no request for longest`)
    }
    idle.set(socket, false)
  })
  server.prependListener('request', ({ socket }, response) => {
    idle.delete(socket)
    response.once('close', () => {
      if (!socket.destroyed) idle.set(socket, true)
    })
  })
}

function turnAway(socket: Socket, detail: string): void {
  socket.end(rawProblem({ code: 'WAGGLE_OVERLOADED', detail, retryAfterSeconds: 1 }))
  socket.destroySoon()
}

const maxHandshakes = 256
