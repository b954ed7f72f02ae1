import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The functions to call at the end of each connection. */
const ends = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `act` once, when the response or its connection has ended. The events of the response are not enough: a response that waits behind another
 * response of its connection gets no event when the connection closes.
 */
export function onResponseEnd({ socket }: IncomingMessage, response: ServerResponse, act: () => void): void {
  const waiting = ends.get(socket) ?? followed(socket)
  const end = () => {
    if (waiting.delete(end)) act()
  }
  waiting.add(end)
  response.once('close', end)
  if (socket.destroyed) end()
}

function followed(socket: Socket): Set<() => void> {
  const waiting = new Set<() => void>()
  ends.set(socket, waiting)
  socket.once('close', () => {
    for (const end of waiting) end()
  })
  return waiting
}
