"""x"""
import math, random, sys, time, heapq
from collections import deque
from benchmarks.virtual import VirtualLoop
from ncloudchat_async.settings import Quota
from ncloudchat_async.wire.semaphore import RateSemaphore

class Bucket:
    def __init__(self, rate, depth):
        self.rate=rate; self.depth=depth; self.tokens=depth; self.at=0.0
    def admit(self, now):
        self.tokens=min(self.depth,self.tokens+(now-self.at)*self.rate); self.at=now
        if self.tokens>=1: self.tokens-=1; return None
        return max(1, math.ceil((1-self.tokens)/self.rate))
    def change(self, factor): self.rate*=factor
class Sliding:
    def __init__(self, rate): self.rate=rate; self.log=deque()
    def admit(self, now):
        log=self.log
        while log and log[0]<=now-1: log.popleft()
        if len(log)<self.rate: log.append(now); return None
        return 1
    def change(self, factor): self.rate*=factor
class Fixed:
    def __init__(self, rate, phase): self.rate=rate; self.phase=phase; self.window=-1; self.n=0
    def admit(self, now):
        w=math.floor(now+self.phase)
        if w!=self.window: self.window=w; self.n=0
        if self.n<self.rate: self.n+=1; return None
        return 1
    def change(self, factor): self.rate*=factor

def make(kind, limit, rnd):
    if kind=="bucket": return Bucket(limit, 1+limit*.01)
    if kind=="burst": return Bucket(limit, 1+limit*.5)
    if kind in("sliding","jitter"): return Sliding(limit)
    if kind=="fixed": return Fixed(limit, rnd.random())

def simulate(kind, limit, latency, retry_after, seed, duration=120.0, changes=(), sem=None, quota=Quota(max_in_flight=256), control=None, trace=None):
    rnd=random.Random(seed)
    loop=VirtualLoop(late=lambda: rnd.random()*.001)
    server=make(kind,limit,rnd)
    sem = RateSemaphore(quota, now=loop.time)
    spread=latency if kind=="jitter" else latency*.05
    sent=acc=0
    def latency_of():
        return latency+(rnd.random()-.5)*spread
    uniform=rnd.random
    def arrive(fut, back):
        fut_result=server.admit(loop._now)
        loop.call_at(loop._now+back, fut.set_result, fut_result)
    async def caller():
        nonlocal sent, acc
        while True:
            if not sem.try_acquire(): await sem.acquire()
            started=loop._now
            sent+=1
            total=latency+(uniform()-.5)*spread
            fut=loop.create_future()
            loop.call_at(started+total/2, arrive, fut, total/2)
            ra=await fut
            if ra is None:
                acc+=1; sem.succeeded(started)
            else:
                sem.throttled(started, float(ra) if retry_after else None)
                if trace is not None: trace.append((loop._now, '429', sem.rate))
            sem.release()
    for _ in range(300): loop.create_task(caller())
    at=0; allowed=limit*.5 if kind=="burst" else 0; rate=limit
    for when,factor in (*changes,(duration,1)):
        loop.run(when); allowed+=rate*(when-at); rate*=factor; server.change(factor); at=when
    return acc/allowed, (sent-acc)/sent

LIMITS=(20,50,200,500,1000,2000)
KINDS=("bucket","sliding","fixed","jitter","burst")
def main():
    t=time.time()
    limits=[int(x) for x in sys.argv[1].split(",")] if len(sys.argv)>1 else LIMITS
    good=[];bad=[]
    for limit in limits:
        for kind in KINDS:
            row=[]
            for ra in (False,True):
                lat=random.Random(limit*7+len(kind)).uniform(.005,.05)
                g,b=simulate(kind,limit,lat,ra,limit)
                row.append(f"{g:.3f} {b*100:5.2f}%"); good.append(g); bad.append(b)
            print(f"{limit:5d} {kind:8s} {lat*1000:4.0f}ms", *row, flush=True)
    n=len(good)
    print(f"mean {sum(good)/n:.3f} {sum(bad)/n*100:.2f}%  min {min(good):.3f} max {max(bad)*100:.2f}%   {time.time()-t:.1f}s")
if __name__=="__main__": main()
