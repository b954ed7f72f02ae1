import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of the Python package `waggle`. The published Waggle has this folder beside its compiled modules. */
export function pythonSdk(): string {
  const places = ['../../bees/python/sdk/src', '../../../bees/python/sdk/src'].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  return places.find((place) => existsSync(place)) ?? places[0] ?? ''
}
