import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inferredParts } from '../../../ops/cli/inferred-parts.ts'

const nobody = { topics: [], groups: [], applications: [] }

describe('The parts of an application, by their names', () => {
  it('are its changelogs and repartition topics, and neither its inputs nor its outputs', () => {
    const topics = ['shop-counts-changelog', 'shop-by-user-repartition', 'shop-orders', 'orders', 'bookshop-counts-changelog']
    assert.deepEqual(inferredParts('shop', { ...nobody, topics }).topics, ['shop-counts-changelog', 'shop-by-user-repartition'])
  })

  it('include its own group and those of sub-topologies with generated names', () => {
    const groups = ['shop', 'shop-KSTREAM-SOURCE-0000000000', 'shop-KTABLE-SOURCE-0000000012', 'bookshop']
    assert.deepEqual(inferredParts('shop', { ...nobody, groups }), { topics: [], groups: groups.slice(0, 3), unsure: [] })
  })

  it('exclude those of an application whose id begins with the same text', () => {
    const topics = ['shop-counts-changelog', 'shop-eu-counts-changelog']
    const byGroup = inferredParts('shop', { ...nobody, topics, groups: ['shop', 'shop-eu'] })
    assert.deepEqual(byGroup, { topics: ['shop-counts-changelog'], groups: ['shop'], unsure: ['shop-eu'] })
    const byStore = inferredParts('shop', { ...nobody, topics, applications: ['shop', 'shop-eu'] })
    assert.deepEqual(byStore.topics, ['shop-counts-changelog'])
  })
})
