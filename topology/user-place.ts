import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ownManifest } from './own-package.ts'

/**
 * The place in a user's file where an error was thrown, as `file:line:column`. It is the first stack frame of the error, or of its causes, that
 * belongs neither to Node nor to Waggle. A frame of an installed package counts only if there is no other. Null for an error without such a frame.
 * Never throws, whatever was thrown.
 */
export function userPlaceOf(thrown: unknown): string | null {
  let ofPackage: string | null = null
  try {
    for (let one = thrown, depth = 0; one instanceof Error && depth < maxCauses; one = one.cause, depth++) {
      for (const place of placesIn(String(one.stack ?? '').slice(0, maxStackCharacters))) {
        if (isOwn(place)) continue
        if (!place.includes('/node_modules/')) return place
        ofPackage ??= place
      }
    }
  } catch {
    // A stack whose getter throws has no place.
  }
  return ofPackage
}

/** The places in a stack. Node writes the place of a syntax error into the first line of the stack, without a column. */
function* placesIn(stack: string): Generator<string> {
  for (const line of stack.split('\n')) {
    const [, place] = /^(?:\s+at (?:.*[( ])?)?((?:file:\/\/)?\/[^()]*?:\d+(?::\d+)?)\)?$/.exec(line) ?? []
    if (place !== undefined) yield place.startsWith('file:') ? pathOf(place) : place
  }
}

function pathOf(place: string): string {
  const [, url = '', position = ''] = /^(.*?)((?::\d+){1,2})$/.exec(place) ?? []
  return fileURLToPath(url) + position
}

/** True for a file of Waggle itself. */
export function isOwn(place: string): boolean {
  return rooms.some((room) => place.startsWith(room))
}

const root = dirname(ownManifest)
const rooms = ['topology', 'processor', 'bees', 'connectors', 'ops'].flatMap((room) => [`${root}/${room}/`, `${root}/dist/${room}/`])
const maxCauses = 5
const maxStackCharacters = 16_384
