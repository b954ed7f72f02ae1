import type { Clock } from '../../processor/ports.ts'
import type { ObjectStore } from '../../topology/swarm/ports/objects.ts'
import type { AllowedHosts } from '../http/allowed-hosts.ts'
import { ModelCache, type ModelCacheOptions, type ModelWish } from './model-cache.ts'
import { parseS3Address } from './s3-address.ts'
import { S3Objects } from './s3-objects.ts'
import { parseWebAddress } from './web-address.ts'
import { WebObjects } from './web-objects.ts'

export interface RemoteModelsOptions extends Pick<ModelCacheOptions, 'directory' | 'maxBytes'> {
  readonly hosts: AllowedHosts
  readonly env: { readonly [variable: string]: string | undefined }
  readonly clock: Clock
}

/** Models from S3 and from web servers, fetched to this disk. */
export class RemoteModels {
  readonly #hosts: AllowedHosts
  readonly #s3: S3Objects
  readonly #web: WebObjects
  readonly #cache: ModelCache

  constructor({ hosts, env, clock, ...options }: RemoteModelsOptions) {
    this.#hosts = hosts
    this.#s3 = new S3Objects({ env, maxKeys })
    this.#web = new WebObjects({ hosts, clock })
    this.#cache = new ModelCache({ ...options, clock, storeOf: (address) => this.#storeOf(address) })
  }

  /** True for the address of a model that is not on this machine. */
  static isRemote(address: string): boolean {
    return /^(s3|https?):/i.test(address)
  }

  /** Checks the form of an address. Throws WAGGLE_MODEL_SOURCE. */
  check(address: string): void {
    if (isS3(address)) parseS3Address(address)
    else parseWebAddress(address, this.#hosts)
  }

  /** The path of a model on this disk. A missing model is fetched. See `ModelCache`. */
  async path(wish: ModelWish): Promise<string> {
    this.check(wish.address)
    return this.#cache.path(wish)
  }

  /** The path of the newest version on this disk; null if there is none. */
  pathHere(wish: Omit<ModelWish, 'log'>): Promise<string | null> {
    return this.#cache.pathHere(wish)
  }

  /** The failure of a model that a bee is still waiting for; null if no bee is waiting. */
  get waitingFor(): string | null {
    return this.#cache.waitingFor
  }

  async close(): Promise<void> {
    await this.#cache.close()
    this.#s3.close()
  }

  #storeOf(address: string): ObjectStore {
    return isS3(address) ? this.#s3 : this.#web
  }
}

function isS3(address: string): boolean {
  return /^s3:/i.test(address)
}

/** The most keys of one model. A SavedModel has only some ten files. */
const maxKeys = 10_000
