"""MQTT 5 (OASIS, 2019) as a way between instances and for devices. Needs the extra ``mqtt``; not imported without."""
