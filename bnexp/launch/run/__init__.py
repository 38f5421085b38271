"""One run in its folder: started or resumed, recorded, shown."""
