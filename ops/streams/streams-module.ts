import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Topology } from '../../topology/graph.ts'
import type { StreamsConfig, StreamsHandlers, StreamsModule } from '../../topology/streams-config.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** Imports a program's module. Each worker imports the module itself, because functions cannot be sent to a worker. */
export async function loadStreamsModule(url: string): Promise<StreamsModule> {
  let loaded: { readonly [name: string]: unknown }
  try {
    loaded = await import(url)
  } catch (cause) {
    throw WaggleError.from('WAGGLE_INVALID_CONFIG', cause, {
      message: `The module ${url} cannot be imported`,
      next: 'Correct the module, or its path.',
    })
  }
  const { topology, handlers = {} } = loaded
  if (!(topology instanceof Topology)) {
    throw invalid(`The module ${url} exports no topology`, 'Export a topology: export const topology = builder.build().')
  }
  if (typeof handlers !== 'object' || handlers === null)
    throw invalid(`handlers of the module ${url} is not an object`, 'Export an object of functions.')
  return { topology, handlers }
}

/** The URL of a module. A path is relative to the working directory, as for Node itself. */
export function urlOf(module: URL | string): string {
  if (module instanceof URL) return module.href
  return module.startsWith('file:') ? module : pathToFileURL(resolve(module)).href
}

/**
 * The configuration, completed with the handlers of the module. Throws WAGGLE_INVALID_CONFIG if the module's topology differs from the given
 * topology.
 */
export function withModule(config: StreamsConfig, topology: Topology, { topology: own, handlers = {} }: StreamsModule): StreamsConfig {
  if (own.describe().toString() !== topology.describe().toString()) {
    throw invalid('The topology is another than that of the module', 'Give Streams the topology that the module exports.')
  }
  for (const name of handlerNames) {
    if (config[name] !== undefined && handlers[name] === undefined) {
      throw invalid(`${name} is given, and workers do not have it`, `Export the handler from the module: export const handlers = { ${name} }.`)
    }
  }
  for (const name of topology.globalStores) {
    const kind = topology.stores.get(name)?.kind
    // On Kafka each worker keeps its own copy of the store.
    if (kind !== 'keyValue' && config.log === 'embedded') {
      throw invalid(
        `The global store ${name} cannot be read by workers, since it is a ${kind} store`,
        'Use a key-value store for the global table, or leave module out.',
      )
    }
  }
  return { ...config, ...handlers }
}

const handlerNames = [
  'deserializationHandler',
  'processingHandler',
  'productionHandler',
  'timestampExtractor',
  'defaultKeySerde',
  'defaultValueSerde',
] as const satisfies readonly (keyof StreamsHandlers)[]

function invalid(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_CONFIG', { message, next })
}
