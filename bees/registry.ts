import type { BeeCatalog } from '../topology/swarm/bee-type.ts'
import batch from './batch/bee.ts'
import cache from './cache/bee.ts'
import container from './container/bee.ts'
import type { BeeType } from './define-bee.ts'
import filter from './filter/bee.ts'
import gatewayInput from './gateway-input/bee.ts'
import httpCall from './http-call/bee.ts'
import imagePreprocess from './image-preprocess/bee.ts'
import kafkaInput from './kafka-input/bee.ts'
import kafkaOutput from './kafka-output/bee.ts'
import loop from './loop/bee.ts'
import majorityVote from './majority-vote/bee.ts'
import map from './map/bee.ts'
import merge from './merge/bee.ts'
import module from './module/bee.ts'
import postgres from './postgres/bee.ts'
import python from './python/bee.ts'
import respond from './respond/bee.ts'
import route from './route/bee.ts'
import sample from './sample/bee.ts'
import saveToDatabase from './save-to-database/bee.ts'
import streams from './streams/bee.ts'
import tensorRt from './tensor-rt/bee.ts'
import tfServing from './tf-serving/bee.ts'
import ensemble from './weighted-average-ensemble/bee.ts'

/** Bee types by name and alias. Built-in types are in the order in which a request passes them. */
export class BeeRegistry implements BeeCatalog {
  readonly types: readonly BeeType[]

  constructor(types: readonly BeeType[] = builtIn) {
    this.types = types
  }

  /** True for one of Waggle's own types. */
  isBuiltIn(type: BeeType): boolean {
    return builtIn.includes(type)
  }

  /** True for a type that does not state its role. Only the bee that `create` returns then shows whether it consists of DSL steps. */
  hasOpenRole(type: string): boolean {
    const found = this.find(type)
    return found !== null && found.definition.role === undefined && found.definition.create !== undefined && !this.isBuiltIn(found)
  }

  find(type: string): BeeType | null {
    return this.types.find((one) => one.type === type || one.aliases.includes(type)) ?? null
  }
}

const builtIn: readonly BeeType[] = [
  gatewayInput,
  kafkaInput,
  imagePreprocess,
  module,
  python,
  streams,
  container,
  batch,
  tfServing,
  tensorRt,
  ensemble,
  majorityVote,
  filter,
  sample,
  route,
  merge,
  loop,
  map,
  cache,
  postgres,
  httpCall,
  respond,
  saveToDatabase,
  kafkaOutput,
]
