import { objectStoreContract } from '../../contract/object-store.ts'
import { MemoryObjects } from '../../support/memory-objects.ts'

objectStoreContract('The store of the cache’s tests', async () => {
  const store = new MemoryObjects()
  return {
    store,
    put: async (key, content) => store.put(key, content),
    remove: async (key) => store.remove(key),
    addressOf: (key) => `s3://memory/${key}`,
    goAway: async () => {
      store.isAway = true
    },
    comeBack: async () => {
      store.isAway = false
    },
    close: async () => {},
  }
})
