from bytewax import Gateway
gateway = Gateway()
print(gateway.request({'name':'Bee'}, gateway = 'hello-world'))
