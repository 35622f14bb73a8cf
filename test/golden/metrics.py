# Writes metrics.json: scikit-learn's metrics of seeded random predictions.
import json, numpy as np
from sklearn import metrics as m, __version__
r=np.random.default_rng(7); out={"scikit-learn":__version__}
def f32(a): return np.asarray(a,dtype=np.float32)
# regression
t=f32(r.normal(size=40)*3+1); p=f32(t+r.normal(size=40)); w=f32(r.uniform(0.1,2,size=40))
out['regression']={'truth':t.tolist(),'predicted':p.tolist(),'weights':w.tolist(),
 'plain':{'rmse':m.root_mean_squared_error(t.astype(float),p.astype(float)),'mae':m.mean_absolute_error(t.astype(float),p.astype(float)),'r2':m.r2_score(t.astype(float),p.astype(float))},
 'weighted':{'rmse':m.root_mean_squared_error(t.astype(float),p.astype(float),sample_weight=w.astype(float)),'mae':m.mean_absolute_error(t.astype(float),p.astype(float),sample_weight=w.astype(float)),'r2':m.r2_score(t.astype(float),p.astype(float),sample_weight=w.astype(float))}}
def softmax(l):
    e=np.exp(l-l.max(1,keepdims=True)); return e/e.sum(1,keepdims=True)
out['classification']=[]
for C in (2,4,7):
    N=60; l=f32(np.round(r.normal(size=(N,C))*1.5,1)); y=r.integers(0,C,size=N); l[np.arange(N),y]+=np.float32(1); l=f32(l)
    P=softmax(l.astype(float)); pred=l.argmax(1)
    pr,rc,f1,s=m.precision_recall_fscore_support(y,pred,labels=range(C),zero_division=0)
    out['classification'].append({'classes':C,'logits':l.flatten().tolist(),'truth':y.tolist(),'want':{
      'accuracy':m.accuracy_score(y,pred),'macroF1':m.f1_score(y,pred,average='macro'),
      'top5':1.0 if C<=5 else m.top_k_accuracy_score(y,l,k=5,labels=range(C)),
      'rocAuc':m.roc_auc_score(y,P[:,1]) if C==2 else m.roc_auc_score(y,P,multi_class='ovr',average='macro'),
      'logLoss':m.log_loss(y,P,labels=range(C)),
      'precision':pr.tolist(),'recall':rc.tolist(),'f1':f1.tolist(),'rows':s.tolist(),
      'confusion':m.confusion_matrix(y,pred,labels=range(C)).tolist()}})
N,T=50,3; l=f32(r.normal(size=(N,T))*2); y=(r.uniform(size=(N,T))<1/(1+np.exp(-l))).astype(int); q=(l>=0).astype(int); S=1/(1+np.exp(-l.astype(float)))
out['multilabel']={'targets':T,'logits':l.flatten().tolist(),'truth':y.flatten().tolist(),'want':{
 'accuracy':float((q==y).mean()),'exact':m.accuracy_score(y,q),'macroF1':m.f1_score(y,q,average='macro'),'rocAuc':m.roc_auc_score(y,S,average='macro'),
 'logLoss':float(np.mean([m.log_loss(y[:,i],S[:,i]) for i in range(T)]))}}
json.dump(out,open('test/golden/metrics.json', 'w'),indent=1)
