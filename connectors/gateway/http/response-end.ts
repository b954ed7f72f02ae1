import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The functions to call at the end of a response, by connection and response. A connection that has ended has none. */
const ends = new WeakMap<Socket, Map<ServerResponse, (() => void)[]>>()

/**
 * Calls `act` once, when the response or its connection has ended. The events of the response are not enough: a response that waits behind another
 * response of its connection gets no event when the connection closes.
 */
export function onResponseEnd({ socket }: IncomingMessage, response: ServerResponse, act: () => void): void {
  if (socket.destroyed) {
    act()
    return
  }
  const waiting = ends.get(socket) ?? followed(socket)
  const acts = waiting.get(response)
  if (acts !== undefined) {
    acts.push(act)
    return
  }
  waiting.set(response, [act])
  response.on('close', () => end(waiting, response))
}

function followed(socket: Socket): Map<ServerResponse, (() => void)[]> {
  const waiting = new Map<ServerResponse, (() => void)[]>()
  ends.set(socket, waiting)
  socket.once('close', () => {
    for (const response of waiting.keys()) end(waiting, response)
  })
  return waiting
}

function end(waiting: Map<ServerResponse, (() => void)[]>, response: ServerResponse): void {
  const acts = waiting.get(response) ?? []
  waiting.delete(response)
  for (const act of acts) act()
}
